import { describe, expect, it } from 'vitest'
import { concat, fromUtf8, utf8 } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { KINDS, MAX_PAYLOAD, creditFrame, frame, messageFrames } from './frame.ts'
import { WINDOW } from './outgoing.ts'
import { settled } from './testing/manual-clock.ts'
import { hubAgainstFrames } from './testing/sessions.ts'
import { id } from './testing/shake.ts'

const hash = 'ab'.repeat(32)
const ask = (call: number, method: string, params: unknown, body = false) =>
  messageFrames('request', call, { method, params, body })
const putOf = (call: number) => ask(call, 'pack.put', { id: hash, bytes: 1, class: 'bulk' }, true)
const data = (call: number, length: number) => frame('data', call, new Uint8Array(length))
const json = (kind: keyof typeof KINDS, call: number, text: string) => frame(kind, call, utf8(text))
const part = (kind: keyof typeof KINDS, call: number, bytes: Uint8Array) =>
  concat(Uint8Array.of(KINDS[kind] | 0x80), frame(kind, call, bytes).subarray(1))

/** A hub that reads no bodies and answers heads; what becomes of it when it gets these frames. */
async function outcome(...frames: readonly Uint8Array[]) {
  const { hub, send, heard, hubCarrier, faults } = hubAgainstFrames(p)
  hub.handle('pack.put', () => new Promise(() => {}))
  hub.handle('snapshot.head', () => Promise.resolve({ header: '' }))
  send(...frames)
  await settled()
  const ended = await Promise.race([hub.closed, settled().then(() => null)])
  const last = heard.at(-1)
  return {
    code: ended?.code ?? 'lives',
    closed: hubCarrier.isClosed,
    last: last && { kind: last[0], text: fromUtf8(last.subarray(5)) },
    faults,
  }
}

describe('a session is ended, with a sealed reason, by', () => {
  it.each<[string, readonly Uint8Array[]]>([
    ['a frame that is too short', [Uint8Array.of(1, 0, 0)]],
    ['an empty frame', [new Uint8Array()]],
    ['a frame of unknown kind', [Uint8Array.of(99, 0, 0, 0, 1)]],
    ['a part of what has no parts', [...putOf(1), part('data', 1, new Uint8Array(1))]],
    ['a payload where there is none', [frame('heartbeat', 0, new Uint8Array(1))]],
    ['credit of another length', [frame('credit', 1, new Uint8Array(5))]],
    ['a frame of the handshake', [frame('ready', 0)]],
    ['a second welcome', [json('welcome', 0, '{}')]],
    ['JSON that is not JSON', [json('event', 0, '{')]],
    ['JSON that is not UTF-8', [frame('event', 0, Uint8Array.of(0xff, 0xfe))]],
    ['JSON nested without end', [json('event', 0, '['.repeat(60_000))]],
    ['a request of another shape', [json('request', 1, '{"method":1}')]],
    ['a request with an even number', [...ask(2, 'snapshot.head', {})]],
    ['a request with number 0', [...ask(0, 'snapshot.head', {})]],
    [
      'a request whose number was used',
      [...ask(5, 'snapshot.head', {}), ...ask(5, 'snapshot.head', {})],
    ],
    [
      'a request whose number is lower than the last',
      [...ask(5, 'snapshot.head', {}), ...ask(3, 'snapshot.head', {})],
    ],
    ['a 33rd request', Array.from({ length: 33 }, (_, n) => putOf(2 * n + 1)).flat()],
    ['an answer to nothing', [json('answer', 2, '{"result":{},"body":false}')]],
    ['a refusal of nothing', [json('refusal', 2, '{"code":"internal","facts":{}}')]],
    ['data of nothing', [data(1, 10)]],
    ['data of a request without body', [...ask(1, 'snapshot.head', {}), data(1, 10)]],
    ['data that is empty', [...putOf(1), data(1, 0)]],
    [
      'data beyond the window',
      [...putOf(1), ...Array.from({ length: 9 }, () => data(1, MAX_PAYLOAD))],
    ],
    ['data after the end', [...putOf(1), frame('end', 1), data(1, 1)]],
    ['a second end', [...putOf(1), frame('end', 1), frame('end', 1)]],
    ['parts of two messages at once', [part('event', 0, utf8('{')), part('request', 1, utf8('{'))]],
    ['an empty part', [part('event', 0, new Uint8Array())]],
    [
      'more than a megabyte of parts',
      Array.from({ length: 17 }, () => part('event', 0, new Uint8Array(MAX_PAYLOAD))),
    ],
    ['a bye of another shape', [json('bye', 0, '7')]],
  ])('%s', async (_what, frames) => {
    const { code, closed, last } = await outcome(...frames)
    expect(code).toBe('malformed')
    expect(closed).toBe(true)
    expect(last).toMatchObject({ kind: KINDS.bye })
    expect(last?.text).toContain('malformed')
  })
})

describe('a session goes on after', () => {
  it.each<[string, readonly Uint8Array[]]>([
    [
      'credit, stop and cancel for what has ended',
      [creditFrame(8, 5), frame('stop', 8), frame('cancel', 7)],
    ],
    ['a heartbeat', [frame('heartbeat', 0)]],
    [
      'data up to the window',
      [...putOf(1), ...Array.from({ length: 32 }, () => data(1, WINDOW / 32))],
    ],
    ['the end of a body', [...putOf(1), data(1, 5), frame('end', 1)]],
    ['32 requests', Array.from({ length: 32 }, (_, n) => putOf(2 * n + 1)).flat()],
    ['an event of the future', [json('event', 0, '{"event":"x","payload":1}')]],
  ])('%s', async (_what, frames) => {
    expect((await outcome(...frames)).code).toBe('lives')
  })
})

describe('a peer with the right keys', () => {
  it('may not call what every object has', async () => {
    for (const method of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      const { code, last } = await outcome(...ask(1, method, {}))
      expect(code).toBe('lives')
      expect(last).toMatchObject({ kind: KINDS.refusal })
      const event = await outcome(json('event', 0, JSON.stringify({ event: method, payload: {} })))
      expect(event.code).toBe('lives')
      expect(event.faults).toHaveLength(1)
    }
  })

  it('cannot give more credit than it took', async () => {
    const { hub, send } = hubAgainstFrames(p)
    const body = (async function* () {
      yield new Uint8Array(10)
      await new Promise(() => {})
    })()
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body }))
    send(...ask(1, 'pack.get', { job: id, id: hash, offset: 0, length: 10 }))
    await settled()
    send(creditFrame(1, 10))
    await settled()
    expect(await Promise.race([hub.closed, settled().then(() => 'lives')])).toBe('lives')
    send(creditFrame(1, 1))
    expect((await hub.closed).code).toBe('malformed')
  })

  it('that answers twice ends the session', async () => {
    const { hub, send } = hubAgainstFrames(p)
    const asked = hub.request('describe', { record: '' })
    await settled()
    const answer = messageFrames('answer', 2, { result: { description: '' }, body: false })
    send(...answer, ...answer)
    await asked
    expect((await hub.closed).code).toBe('malformed')
  })

  it('that sends a body nobody asked for is stopped when it is not read, and kept within a window', async () => {
    const { hub, send, heard } = hubAgainstFrames(p)
    const asked = hub.request('describe', { record: '' })
    await settled()
    send(...messageFrames('answer', 2, { result: { description: 7 }, body: true }), data(2, 1_000))
    await expect(asked).rejects.toBeInstanceOf(OcmError)
    await settled()
    expect(heard.at(-1)?.[0]).toBe(KINDS.stop)
    expect(await Promise.race([hub.closed, settled().then(() => 'lives')])).toBe('lives')
  })

  it('learns nothing from a refusal but a code', async () => {
    const { hub, send, heard } = hubAgainstFrames(p)
    hub.handle('snapshot.head', () => Promise.reject(new Error('/var/lib/secret')))
    send(...ask(1, 'snapshot.head', {}))
    await settled()
    expect(heard.map((bytes) => fromUtf8(bytes.subarray(5)))).toEqual([
      '{"code":"internal","facts":{}}',
    ])
  })
})
