import { describe, expect, it } from 'vitest'
import { base64url, utf8 } from '../bytes.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { settled } from './testing/manual-clock.ts'
import { flipped, id, shaker } from './testing/shake.ts'

const { shake } = shaker(p)

/** An open session whose agent sends events, with the records on their way changed. */
const heard = async (change: (records: readonly Uint8Array[]) => readonly Uint8Array[]) => {
  const logs: string[] = []
  const queue: Uint8Array[] = []
  const result = await shake({
    hub: {},
    before: (agent) => {
      let count = 0
      agent.tamper((record) => {
        if (count++ < 3) return [record]
        queue.push(record)
        return queue.length === 3 ? change(queue) : []
      })
    },
  })
  const hub = await result.hubEnd.session
  const agent = await result.agentEnd.session
  hub.on('job.log', ({ sealed }) => logs.push(sealed))
  for (const text of ['one', 'two', 'three']) {
    agent.emit('job.log', { job: id, sealed: base64url(utf8(text)) })
  }
  await settled()
  const ended = await Promise.race([hub.closed.then((why) => why.code), settled().then(() => null)])
  return { logs: logs.map((text) => Buffer.from(text, 'base64url').toString()), ended }
}

describe('records after the handshake', () => {
  it('arrive as they were sent', async () => {
    expect(await heard((all) => all)).toEqual({ logs: ['one', 'two', 'three'], ended: null })
  })
  it('end the session when one is repeated', async () => {
    const { logs, ended } = await heard(([a, b, c]) => [a, a, b, c] as Uint8Array[])
    expect({ logs, ended }).toEqual({ logs: ['one'], ended: 'malformed' })
  })
  it('end the session when two are exchanged', async () => {
    const { logs, ended } = await heard(([a, b, c]) => [b, a, c] as Uint8Array[])
    expect({ logs, ended }).toEqual({ logs: [], ended: 'malformed' })
  })
  it('end the session when one is left out', async () => {
    const { logs, ended } = await heard(([a, , c]) => [a, c] as Uint8Array[])
    expect({ logs, ended }).toEqual({ logs: ['one'], ended: 'malformed' })
  })
  it('end the session when one is cut short or empty', async () => {
    for (const keep of [0, 15, 20]) {
      const cut = await heard(([a, b, c]) => [a, b?.subarray(0, keep), c] as Uint8Array[])
      expect(cut).toEqual({ logs: ['one'], ended: 'malformed' })
    }
  })
  it('end the session when any bit of one is flipped', async () => {
    for (const bit of [0, 7, 77, 200]) {
      const { logs, ended } = await heard(
        ([a, b, c]) => [a, flipped(b as Uint8Array, bit), c] as Uint8Array[],
      )
      expect({ logs, ended }).toEqual({ logs: ['one'], ended: 'malformed' })
    }
  })
})
