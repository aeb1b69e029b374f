import { describe, expect, it } from 'vitest'
import { OcmError } from '../errors.ts'
import type { Hello, Welcome } from '../messages.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { settled } from './testing/manual-clock.ts'
import { hello, shaker, welcome } from './testing/shake.ts'

const { shake, agentIdentity } = shaker(p)

describe('an honest handshake', () => {
  it('opens a session on both ends and tells the hub the key that was proved', async () => {
    const { agentOutcome, hubOutcome, accepted } = await shake()
    expect([agentOutcome, hubOutcome]).toEqual(['open', 'open'])
    expect(accepted).toEqual([agentIdentity.public])
  })

  it('brings a welcome that is longer than a record', async () => {
    const record = 'A'.repeat(300_000)
    let got = ''
    const { agentOutcome } = await shake({
      hub: { accept: () => Promise.resolve({ ...welcome, record }) },
      agent: {
        onWelcome: (heard) => {
          got = heard.record
          return Promise.resolve()
        },
      },
    })
    expect(agentOutcome).toBe('open')
    expect(got).toBe(record)
  })

  it('says ready only when the welcome is written down', async () => {
    const writing = Promise.withResolvers<void>()
    const counts: number[] = []
    const result = shake({
      agent: { onWelcome: () => writing.promise },
      before(agentCarrier) {
        void (async () => {
          await settled()
          counts.push(agentCarrier.sent.length)
          writing.resolve()
          await settled()
          counts.push(agentCarrier.sent.length)
        })()
      },
    })
    expect((await result).hubOutcome).toBe('open')
    expect(counts).toEqual([2, 3])
  })

  it('never says ready when the welcome cannot be written down', async () => {
    const { agentOutcome, hubOutcome, agentCarrier } = await shake({
      agent: { onWelcome: () => Promise.reject(new OcmError('disk-full', {})) },
    })
    expect(agentOutcome).toBe('disk-full')
    expect(hubOutcome).toBe('link-lost')
    expect(agentCarrier.sent).toHaveLength(2)
  })

  it('ignores what a newer hub adds to its welcome', async () => {
    const { agentOutcome } = await shake({
      hub: { accept: () => Promise.resolve({ ...welcome, later: 1 } as Welcome) },
    })
    expect(agentOutcome).toBe('open')
  })
})

describe('a hub that refuses', () => {
  it('says why, sealed, after the agent has proved who it is', async () => {
    const { agentOutcome, hubOutcome, hubCarrier } = await shake({
      hub: { accept: () => Promise.reject(new OcmError('node-revoked')) },
    })
    expect([agentOutcome, hubOutcome]).toEqual(['node-revoked', 'node-revoked'])
    const wire = Buffer.concat(hubCarrier.sent)
    expect(wire.includes('node-revoked')).toBe(false)
  })

  it('holds nobody for longer than ten seconds when it cannot decide', async () => {
    const { agentOutcome, hubOutcome } = await shake({
      hub: { accept: () => new Promise(() => {}) },
    })
    // The agent's own ten seconds pass first.
    expect([agentOutcome, hubOutcome]).toEqual(['deadline-passed', 'link-lost'])
  })

  it('does not let an unexpected error out', async () => {
    const { agentOutcome } = await shake({
      hub: { accept: () => Promise.reject(new Error('/secret/path')) },
    })
    expect(agentOutcome).toBe('internal')
  })

  it('refuses a hello with fields it does not know', async () => {
    const { agentOutcome, accepted } = await shake({
      agent: { hello: { ...hello, extra: 1 } as Hello },
    })
    expect(agentOutcome).toBe('malformed')
    expect(accepted).toEqual([])
  })
})
