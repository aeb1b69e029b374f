import { describe, expect, it } from 'vitest'
import { concat, equal } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import type { Body } from './calls.ts'
import { WINDOW } from './outgoing.ts'
import { settled } from './testing/manual-clock.ts'
import { joinedSessions } from './testing/sessions.ts'
import { id } from './testing/shake.ts'

const hash = 'ab'.repeat(32)
const put = { id: hash, bytes: 0, class: 'bulk' } as const
const get = { job: id, id: hash, offset: 0, length: 0 }
const code = (error: unknown) => (error instanceof OcmError ? error.code : error)

async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all
}

async function whole(body: Body): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of body) all.push(piece)
  return concat(...all)
}

/** And leaves. */
async function firstPiece(body: Body): Promise<Uint8Array | undefined> {
  for await (const piece of body) return piece
  return undefined
}

/** Megabytes without end, counting what was taken. */
function endless() {
  const state = { produced: 0, ended: false }
  async function* produce(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        state.produced += 2 ** 20
        yield new Uint8Array(2 ** 20)
      }
    } finally {
      state.ended = true
    }
  }
  return { state, body: produce() }
}

/** A session whose hub reads no body until told to. */
function unread() {
  const sessions = joinedSessions(p)
  const reading = Promise.withResolvers<Body>()
  const done = Promise.withResolvers<Record<string, never>>()
  sessions.hub.handle('pack.put', (_params, body) => {
    reading.resolve(body)
    return done.promise
  })
  return { ...sessions, reading: reading.promise, answer: () => done.resolve({}) }
}

describe('a body', () => {
  it('arrives as it was, up with a request and down with an answer', async () => {
    const { agent, hub } = joinedSessions(p)
    const sent = [0, 1, 70_000, 1, 3 * 2 ** 20 + 5].map((length) => p.random(length))
    let stored = new Uint8Array()
    hub.handle('pack.put', async (_params, body) => {
      stored = (await whole(body)).slice()
      return {}
    })
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body: pieces(stored) }))
    await agent.request('pack.put', put, { body: pieces(...sent) })
    expect(equal(stored, concat(...sent))).toBe(true)
    const { body } = await agent.request('pack.get', get)
    expect(equal(await whole(body), stored)).toBe(true)
  })

  it('may be empty, and is when there is none', async () => {
    const { agent, hub } = joinedSessions(p)
    hub.handle('pack.put', async (_params, body) => {
      expect(await whole(body)).toHaveLength(0)
      return {}
    })
    const { body } = await agent.request('pack.put', put, { body: pieces() })
    expect(await whole(body)).toHaveLength(0)
    await agent.request('pack.put', put)
  })

  it('is read once', async () => {
    const { agent, hub } = joinedSessions(p)
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body: pieces(new Uint8Array(9)) }))
    const { body } = await agent.request('pack.get', get)
    await whole(body)
    await expect(whole(body)).rejects.toMatchObject({ code: 'wrong-use' })
  })

  it('of which nobody reads stops at a window, wherever the producer is', async () => {
    const { agent, hub, agentCarrier, reading, answer } = unread()
    const { state, body } = endless()
    const asked = agent.request('pack.put', put, { body })
    await settled()
    const before = agentCarrier.sent.reduce((sum, record) => sum + record.length, 0)
    expect(before).toBeLessThan(WINDOW + 4_096)
    expect(state.produced).toBe(2 ** 20)

    // What is read makes room for as much, and no more.
    const iterator = (await reading)[Symbol.asyncIterator]()
    let read = 0
    while (read < 3 * WINDOW) read += ((await iterator.next()).value as Uint8Array).length
    await settled()
    const after = agentCarrier.sent.reduce((sum, record) => sum + record.length, 0)
    expect(after).toBeLessThan(read + WINDOW + 8_192)
    answer()
    await asked
    expect(hub).toBeDefined()
  })

  it('of single bytes does not cost the reader more than its bytes', async () => {
    const { agent, reading, answer } = unread()
    const bytes = Array.from({ length: 5_000 }, (_, n) => Uint8Array.of(n & 255))
    const asked = agent.request('pack.put', put, { body: pieces(...bytes) })
    const body = await reading
    for (let n = 0; n < 200; n++) await settled()
    const lengths: number[] = []
    for await (const piece of body) lengths.push(piece.length)
    expect(lengths.length).toBeLessThan(4)
    expect(lengths.reduce((a, b) => a + b, 0)).toBe(5_000)
    answer()
    await asked
  })
})

describe('a reader that leaves', () => {
  it('stops the producer of an answer', async () => {
    const { agent, hub } = joinedSessions(p)
    const { state, body } = endless()
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body }))
    const answer = await agent.request('pack.get', get)
    await firstPiece(answer.body)
    await settled()
    expect(state.ended).toBe(true)
    expect(state.produced).toBeLessThan(4 * 2 ** 20)
  })

  it('stops the producer of a request, whose answer arrives all the same', async () => {
    const { agent, hub } = joinedSessions(p)
    const { state, body } = endless()
    hub.handle('pack.put', async (_params, sent) => {
      await firstPiece(sent)
      throw new OcmError('pack-mismatch')
    })
    await expect(agent.request('pack.put', put, { body })).rejects.toMatchObject({
      code: 'pack-mismatch',
    })
    await settled()
    expect(state.ended).toBe(true)
  })

  it('leaves by answering without reading', async () => {
    const { agent, hub } = joinedSessions(p)
    const { state, body } = endless()
    hub.handle('pack.put', () => Promise.resolve({}))
    await agent.request('pack.put', put, { body })
    await settled()
    expect(state.ended).toBe(true)
  })

  it('gives its place back: a hundred of them do not fill the session', async () => {
    const { agent, hub } = joinedSessions(p)
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body: endless().body }))
    for (let n = 0; n < 100; n++) {
      const { body } = await agent.request('pack.get', get)
      await firstPiece(body)
    }
    hub.handle('snapshot.head', () => Promise.resolve({ header: '' }))
    await expect(agent.request('snapshot.head', {})).resolves.toBeDefined()
  })
})

async function* broken(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(100)
  throw new OcmError('pack-damaged', { offset: 5 })
}

describe('an error', () => {
  it('of the producer of an answer is thrown to its reader', async () => {
    const { agent, hub } = joinedSessions(p)
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body: broken() }))
    const { body } = await agent.request('pack.get', get)
    await expect(whole(body)).rejects.toMatchObject({ code: 'pack-damaged', facts: { offset: 5 } })
  })

  it('of the producer of a request is thrown to the handler, and to whoever asked as it was', async () => {
    const { agent, hub } = joinedSessions(p)
    const seen = Promise.withResolvers<unknown>()
    hub.handle('pack.put', async (_params, body) => {
      await whole(body).catch((error: unknown) => {
        seen.resolve(error)
        throw error
      })
      return {}
    })
    const failure = new Error('disk of the agent')
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10)
      throw failure
    }
    await expect(agent.request('pack.put', put, { body: failing() })).rejects.toBe(failure)
    expect(code(await seen.promise)).toBe('internal')
  })

  it('is never mistaken for an end: a cancelled request breaks off the body', async () => {
    const { agent, reading } = unread()
    const controller = new AbortController()
    const asked = agent.request('pack.put', put, {
      body: endless().body,
      signal: controller.signal,
    })
    const body = await reading
    controller.abort(new OcmError('job-cancelled'))
    await expect(asked).rejects.toMatchObject({ code: 'job-cancelled' })
    await expect(whole(body)).rejects.toMatchObject({ code: 'job-cancelled' })
  })

  it('of the link is thrown to readers and ends producers', async () => {
    const { agent, reading, agentCarrier } = unread()
    const { state, body } = endless()
    const asked = agent.request('pack.put', put, { body }).catch(code)
    const there = await reading
    await settled()
    agentCarrier.close()
    await expect(whole(there)).rejects.toMatchObject({ code: 'link-lost' })
    expect(await asked).toBe('link-lost')
    await settled()
    expect(state.ended).toBe(true)
  })

  it('of an answer that was cancelled ends a producer that never began', async () => {
    const { agent, hub } = joinedSessions(p)
    const { promise, resolve } = Promise.withResolvers<void>()
    const returned = Promise.withResolvers<void>()
    const body: Body = {
      [Symbol.asyncIterator]: () => ({
        next: () => expect.fail('was read'),
        return: () => {
          returned.resolve()
          return Promise.resolve({ done: true, value: undefined })
        },
      }),
    }
    hub.handle('pack.get', async () => {
      await promise
      return { result: {}, body }
    })
    const controller = new AbortController()
    const asked = agent.request('pack.get', get, { signal: controller.signal })
    await settled()
    controller.abort('no')
    await expect(asked).rejects.toBe('no')
    await settled()
    resolve()
    await expect(returned.promise).resolves.toBeUndefined()
  })
})

async function* stuck(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10)
  await new Promise(() => {})
}

describe('a deadline', () => {
  it('runs only while the other side makes us wait', async () => {
    const { agent, hub, clock } = joinedSessions(p)
    hub.handle('pack.put', async (_params, body) => {
      await whole(body)
      return {}
    })
    // Our own producer takes a minute for each piece.
    async function* slow(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 5; n++) {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 60_000))
        yield new Uint8Array(1_000)
      }
    }
    const asked = agent.request('pack.put', put, { body: slow(), deadlineMs: 1_000 })
    await clock.advance(300_000)
    await expect(asked).resolves.toBeDefined()
  })

  it('passes when nobody takes our body', async () => {
    const { agent, clock } = unread()
    const asked = agent.request('pack.put', put, { body: endless().body, deadlineMs: 1_000 })
    const outcome = asked.catch(code)
    await settled()
    await clock.advance(1_000)
    expect(await outcome).toBe('deadline-passed')
  })

  it('passes when the next piece of an answer does not come', async () => {
    const { agent, hub, clock } = joinedSessions(p)
    hub.handle('pack.get', () => Promise.resolve({ result: {}, body: stuck() }))
    const { body } = await agent.request('pack.get', get, { deadlineMs: 1_000 })
    const reading = whole(body).catch(code)
    await settled()
    await clock.advance(1_000)
    expect(await reading).toBe('deadline-passed')
  })
})

describe('bodies and requests', () => {
  it('share a link: a request goes before a body that waits', async () => {
    const { agent, hub, agentCarrier } = joinedSessions(p)
    const order: string[] = []
    hub.handle('pack.put', async (_params, body) => {
      await whole(body)
      order.push('body')
      return {}
    })
    hub.handle('snapshot.head', () => {
      order.push('head')
      return Promise.resolve({ header: '' })
    })
    agentCarrier.hold()
    const bulk = agent.request('pack.put', put, { body: pieces(new Uint8Array(8 * 2 ** 20)) })
    const bulks = [bulk, agent.request('pack.put', put, { body: pieces(new Uint8Array(2 ** 20)) })]
    await settled()
    const held = agentCarrier.bufferedBytes()
    const head = agent.request('snapshot.head', {})
    agentCarrier.release()
    await head
    expect(order).toEqual(['head'])
    // What it had to wait for is no more than the carrier is ever handed.
    expect(held).toBeLessThan(256 * 1024 + 66_000)
    await Promise.all(bulks)
  })

  it('take turns: a short body is not held up by a long one', async () => {
    const { agent, hub } = joinedSessions(p)
    const ended: number[] = []
    hub.handle('pack.put', async ({ bytes }, body) => {
      await whole(body)
      ended.push(bytes)
      return {}
    })
    const send = (bytes: number) =>
      agent.request('pack.put', { ...put, bytes }, { body: pieces(new Uint8Array(bytes)) })
    await Promise.all([send(8 * 2 ** 20), send(100_000)])
    expect(ended).toEqual([100_000, 8 * 2 ** 20])
  })

  it('wait while the carrier is full, and go on by themselves when it says nothing', async () => {
    const { agent, hub, agentCarrier, clock } = joinedSessions(p)
    hub.handle('pack.put', async (_params, body) => {
      await whole(body)
      return {}
    })
    let full = true
    const bufferedBytes = agentCarrier.bufferedBytes.bind(agentCarrier)
    agentCarrier.bufferedBytes = () => (full ? 1e9 : bufferedBytes())
    const asked = agent.request('pack.put', put, { body: pieces(new Uint8Array(1_000)) })
    await clock.advance(100)
    expect(agentCarrier.sent).toEqual([])
    full = false
    await clock.advance(5)
    await expect(asked).resolves.toBeDefined()
  })

  it('end the session of a peer that lets eight megabytes of messages pile up', async () => {
    const { agent, agentCarrier } = joinedSessions(p)
    agentCarrier.hold()
    const sealed = 'A'.repeat(500_000)
    for (let n = 0; n < 20; n++) agent.emit('job.log', { job: id, sealed })
    expect(code(await agent.closed)).toBe('link-lost')
    expect(agentCarrier.peakBytes).toBeLessThan(400_000)
  })
})
