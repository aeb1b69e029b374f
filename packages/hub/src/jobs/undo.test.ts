import { hex, type Job, makeStatement, newId, OcmError, Order, type Undo } from '@ocm/protocol'
import { base64url, claimedBody, fromBase64url, type TargetOff } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TestAgent } from '../testing/agent.ts'
import { TestHub } from '../testing/hub.ts'
import { newPart, type Part, play } from '../testing/part.ts'

let hub: TestHub
let epoch = 0
beforeAll(async () => {
  hub = await TestHub.ready()
})
afterAll(() => hub.close())

async function node(part: Part): Promise<TestAgent> {
  const agent = await TestAgent.enrolled(hub, play(part))
  await hub.confirm({ id: agent.id, key: agent.key.public })
  return agent
}

const start = async (request: object) => hub.call('POST', '/api/jobs', request)
const job = async (id: string): Promise<Job> => (await hub.call('GET', `/api/jobs/${id}`)).body
const stateOf = async ({ id }: TestAgent) => (await hub.call('GET', `/api/nodes/${id}`)).body

/** Asks until it is so; the test's own timeout is the deadline. */
async function until<T>(ask: () => Promise<T>, wanted: (is: T) => boolean): Promise<T> {
  for (;;) {
    const now = await ask()
    if (wanted(now)) return now
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const ended = (id: string) =>
  until(
    () => job(id),
    ({ endedAt }) => endedAt !== null,
  )

const common = () => ({
  v: 1 as const,
  vault: hub.vault.id,
  operator: hub.operator.id,
  minRecord: hub.record?.serial ?? 0,
  job: newId(p),
  nonce: p.random(32),
  at: 0,
})

let a: TestAgent
let b: TestAgent
const parts = { a: newPart(), b: newPart() }
let snapshot: string

beforeEach(async () => {
  parts.a = newPart()
  parts.b = newPart()
  a = await node(parts.a)
  b = await node(parts.b)
  snapshot = await snapshotOf(a)
  parts.a.asked.length = 0
})

async function snapshotOf(agent: TestAgent): Promise<string> {
  const { body } = await start({ kind: 'backup', node: agent.id })
  return (await ended(body.id)).snapshot ?? ''
}

interface Ordered {
  readonly id: string
  readonly hash: string
  readonly code: string
  readonly facts: { readonly why: string }
}

async function orderTo(
  kind: Order['kind'],
  source: TestAgent,
  target: TestAgent,
  more: Partial<Order> = {},
): Promise<Ordered> {
  const body: Order = {
    ...common(),
    kind,
    source: source.id,
    target: target.id,
    snapshot,
    jobKey: p.random(32),
    choices: p.random(200),
    plan: hex(p.random(32)),
    fenceEpoch: ++epoch,
    grant: p.random(100),
    ...more,
  }
  const statement = hub.order(body)
  const { body: said } = await start({ kind, order: statement })
  const { id, code, facts } = said
  return { id, hash: hex(p.sha256(fromBase64url(statement))), code, facts }
}

async function done(ordered: Promise<Ordered>): Promise<Ordered> {
  const one = await ordered
  expect((await ended(one.id)).state).toBe('done')
  return one
}

async function undo(at: TestAgent, undoes: string, change: Partial<Undo> = {}) {
  const body: Undo = { ...common(), node: at.id, undoes, ...change }
  const statement = base64url(makeStatement(p, 'undo', body, hub.operator.key))
  return (await start({ kind: 'undo', order: statement })).body
}

const why = async (asked: Promise<{ code: string; facts: { why: string } }>) => {
  const { code, facts } = await asked
  return `${code} ${facts?.why ?? ''}`
}

const leave = async () => {
  a.cut()
  await a.session?.closed
}
const alone = () => orderTo('move', a, b, { unfenced: true })

describe('an undo', () => {
  test('of a clone asks its node, and nobody else', async () => {
    const clone = await done(orderTo('clone', a, b))
    const { id } = await undo(b, clone.hash)
    const undone = await ended(id)
    expect(undone).toMatchObject({ kind: 'undo', state: 'done', undoes: clone.id, source: null })
    expect(undone.steps).toMatchObject([{ name: 'undo', state: 'done' }])
    expect(parts.b.asked.at(-1)).toBe('undo')
    expect(parts.a.asked).toEqual([])
    const audit = (await hub.call('GET', '/api/audit')).body
    expect(audit[0]).toMatchObject({ action: 'undo', subject: `${clone.id} ${b.id}` })
  })

  test('of a move releases the source with the ABORT, also after a restart of the hub in between', async () => {
    const move = await done(orderTo('move', a, b))
    expect((await stateOf(a)).movedTo).toBe(b.id)
    a.cut()
    await a.session?.closed
    const { id } = await undo(b, move.hash)
    await until(
      () => job(id),
      ({ state }) => state === 'waiting' && parts.b.asked.includes('undo'),
    )
    await hub.stop()
    await hub.restart()
    await Promise.all([a.dial(), b.dial()])
    expect((await ended(id)).state).toBe('done')
    expect(parts.a.asked).toEqual(['fence', 'release'])
    expect((await stateOf(a)).movedTo).toBeNull()
  })

  test('is refused when something else came after, twice, and for what was never done', async () => {
    const first = await done(orderTo('clone', a, b))
    const second = await done(orderTo('clone', a, b))
    expect(await why(undo(b, first.hash))).toBe('undo-refused another-apply')
    expect(await why(undo(a, second.hash))).toBe('undo-refused nothing')
    expect(await why(undo(b, 'f'.repeat(64)))).toBe('undo-refused nothing')
    await ended((await undo(b, second.hash)).id)
    expect(await why(undo(b, second.hash))).toBe('undo-refused undone')
    expect(parts.b.asked.filter((asked) => asked === 'undo')).toHaveLength(1)
  })

  test('of a move is refused when its source was applied to or retired since', async () => {
    const move = await done(orderTo('move', a, b))
    await done(orderTo('restore', a, a))
    expect(await undo(b, move.hash)).toMatchObject({ facts: { why: 'source-used' } })
    await hub.call('POST', `/api/nodes/${a.id}/retire`, {})
    expect(await undo(b, move.hash)).toMatchObject({ facts: { why: 'source-gone' } })
    expect(parts.b.asked).not.toContain('undo')
  })

  test('a node that was moved away and applied to is moved no more, until that is taken back', async () => {
    await done(orderTo('move', a, b))
    const back = await done(orderTo('restore', a, a))
    expect((await stateOf(a)).movedTo).toBeNull()
    await ended((await undo(a, back.hash)).id)
    expect((await stateOf(a)).movedTo).toBe(b.id)
  })

  test('of nobody whom the vault names is refused', async () => {
    const clone = await done(orderTo('clone', a, b))
    const body: Undo = { ...common(), node: b.id, undoes: clone.hash }
    const forged = base64url(makeStatement(p, 'undo', body, p.ed25519Pair()))
    expect((await start({ kind: 'undo', order: forged })).body.code).toBe('signature-invalid')
    expect(await undo(b, clone.hash, { minRecord: 999 })).toMatchObject({
      code: 'vault-record-stale',
    })
  })
})

/** The target is asked to activate, and answers when it is let. */
function holdTarget() {
  const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  parts.b.before = (method) => {
    if (method !== 'activate') return
    asked.resolve()
    return go.promise
  }
  return { asked: asked.promise, go: go.resolve }
}

describe('a move whose source is attested to be off', () => {
  test('goes on without a fence, is shown as such, and the source is fenced when it comes', async () => {
    await leave()
    const move = await done(alone())
    const after = await job(move.id)
    expect(after).toMatchObject({ unfenced: 'owed', downtimeMs: null })
    expect(after.steps.map(({ name, state }) => `${name} ${state}`)).toContain('fence skipped')
    const fence = { job: move.id, state: 'owed' }
    expect([(await stateOf(a)).fence, (await stateOf(b)).fence]).toEqual([fence, fence])

    // What is owed survives the hub.
    await hub.stop()
    await hub.restart()
    await b.dial()
    await a.dial()
    const fenced = await until(
      () => job(move.id),
      ({ unfenced }) => unfenced === 'fenced',
    )
    expect(fenced.state).toBe('done')
    expect(parts.a.asked).toEqual(['fence'])
    expect([(await stateOf(a)).fence, (await stateOf(a)).movedTo]).toEqual([undefined, b.id])
    const [last] = (await hub.call('GET', `/api/snapshots?node=${a.id}`)).body
    expect(last.trigger).toBe('move')
  })

  test('is fenced under another order when the first one counts for nothing any more', async () => {
    await leave()
    const first = await done(alone())
    const second = await done(alone())
    let asked = 0
    parts.a.before = (method) => {
      if (method === 'fence' && ++asked === 1) throw new OcmError('node-unconfirmed')
    }
    await a.dial()
    await until(
      () => job(second.id),
      ({ unfenced }) => unfenced === 'fenced',
    )
    // It is fenced; that this order cannot do it any more is nothing that anybody waits for.
    await until(
      () => job(first.id),
      ({ unfenced }) => unfenced === 'attested',
    )
    expect((await stateOf(a)).fence).toBeUndefined()
  })

  test('is ordered under an epoch above those before it, which the hub can show', async () => {
    const show = async () => (await hub.call('GET', `/api/nodes/${a.id}/last-fence`)).body
    expect(await show()).toEqual({ order: null })
    await leave()
    await done(alone())
    const { order } = await show()
    const { fenceEpoch } = claimedBody(Order, 'order', fromBase64url(order))
    expect(fenceEpoch).toBe(epoch)
    const again = orderTo('move', a, b, { unfenced: true, fenceEpoch })
    expect(await why(again)).toBe('order-invalid fence-epoch')
  })

  test('fails before anything is decided when the source is there after all', async () => {
    const failed = await ended((await alone()).id)
    expect(failed.error?.code).toBe('source-online')
    expect(parts.b.asked).not.toContain('activate')
    await until(async () => parts.b.asked.includes('discard'), Boolean)
  })

  test('is fenced when it comes while the target has not answered yet, also after a restart of the hub', async () => {
    await leave()
    const b1 = holdTarget()
    const { id } = await alone()
    await b1.asked
    expect((await job(id)).unfenced).toBe('owed')
    expect((await stateOf(a)).fence).toEqual({ job: id, state: 'owed' })
    await hub.stop()
    await hub.restart()
    await Promise.all([a.dial(), b.dial()])
    const fenced = await until(
      () => job(id),
      ({ unfenced }) => unfenced === 'fenced',
    )
    expect(fenced.endedAt).toBeNull()
    expect(parts.a.asked).toEqual(['fence'])
    b1.go()
    expect(await ended(id)).toMatchObject({ state: 'done', unfenced: 'fenced', downtimeMs: null })
    expect((await stateOf(a)).movedTo).toBe(b.id)
    expect(parts.a.asked).toEqual(['fence'])
  })

  test('that came in between is released by the ABORT, however long it is away then', async () => {
    await leave()
    const b1 = holdTarget()
    const { id } = await alone()
    await b1.asked
    parts.a.before = async (method) => {
      if (method !== 'fence') return
      a.cut()
      await new Promise(() => {})
    }
    await a.dial()
    await until(
      () => stateOf(a),
      ({ online }) => !online && parts.a.asked.includes('fence'),
    )
    parts.b.outcome = 'abort'
    b1.go()
    const failed = await ended(id)
    expect(failed).toMatchObject({ unfenced: 'owed', error: { code: 'openclaw-unhealthy' } })
    expect((await stateOf(a)).fence).toEqual({ job: id, state: 'held' })
    await a.dial()
    await until(
      () => job(id),
      ({ unfenced }) => unfenced === 'attested',
    )
    expect(parts.a.asked).toEqual(['fence', 'release'])
    const now = await stateOf(a)
    expect([now.fence, now.movedTo]).toEqual([undefined, null])
  })

  test('is asked nothing when the target aborts before it came', async () => {
    await leave()
    parts.b.outcome = 'abort'
    const { id } = await alone()
    expect(await ended(id)).toMatchObject({ state: 'failed', unfenced: 'attested' })
    await a.dial()
    const { body } = await start({ kind: 'backup', node: a.id })
    await ended(body.id)
    expect(parts.a.asked).toEqual(['capture'])
  })

  test('that comes just before the target is asked ends the move, and is not fenced', async () => {
    await leave()
    parts.b.before = async (method) => {
      if (method === 'trial') await a.dial()
    }
    const failed = await ended((await alone()).id)
    expect(failed).toMatchObject({ error: { code: 'source-online' }, unfenced: 'attested' })
    expect(parts.a.asked).toEqual([])
    expect(parts.b.asked).not.toContain('activate')
  })

  test('undone before the source came, it is never fenced, and hears of the undo when it comes', async () => {
    await leave()
    const move = await done(alone())
    const { id } = await undo(b, move.hash)
    expect(await ended(id)).toMatchObject({ state: 'done', unfenced: 'owed' })
    expect((await job(move.id)).unfenced).toBe('attested')
    parts.a.before = (method) => {
      if (method === 'release') throw new OcmError('not-found', { what: 'job' })
    }
    await a.dial()
    await until(
      () => job(id),
      ({ unfenced }) => unfenced === 'attested',
    )
    expect(parts.a.asked).toEqual(['release'])
    expect((await stateOf(a)).movedTo).toBeNull()
  })

  test('undone while the source is being fenced, it is released once it is', async () => {
    await leave()
    const move = await done(alone())
    const go = Promise.withResolvers<void>()
    parts.a.before = (method) => {
      if (method === 'fence') return go.promise
      throw new OcmError('not-found', { what: 'job' })
    }
    await a.dial()
    const asked = async () => parts.a.asked.join(' ')
    await until(asked, (all) => all === 'fence')
    const { id } = await undo(b, move.hash)
    expect((await ended(id)).state).toBe('done')
    expect(await asked()).toBe('fence release')
    parts.a.before = () => {}
    go.resolve()
    await until(asked, (all) => all === 'fence release release')
  })
})

describe('after FENCED', () => {
  test('a target that cannot even leave off is asked until it can, and why stands in the job', async () => {
    let asked = 0
    // It is told to discard once more when the job has ended, and the next test has begun.
    const { b: own } = parts
    parts.b.before = (method) => {
      if (method !== 'activate' && method !== 'discard') return
      if (++asked < 4) throw new OcmError('gateway-will-not-stop')
      own.outcome = 'abort'
    }
    const { id } = await orderTo('move', a, b)
    const stuck = await until(
      () => job(id),
      ({ error }) => error !== null,
    )
    expect(stuck).toMatchObject({ endedAt: null, error: { code: 'gateway-will-not-stop' } })
    expect(await ended(id)).toMatchObject({
      state: 'failed',
      error: { code: 'openclaw-unhealthy' },
    })
    expect(parts.a.asked).toEqual(['fence', 'release'])
  })

  test('a target that knows nothing of it any more is asked, and not without a pause', async () => {
    const times: number[] = []
    parts.b.before = (method) => {
      if (method !== 'activate') return
      times.push(performance.now())
      if (times.length < 3) throw new OcmError('not-found', { what: 'job' })
    }
    const { id } = await orderTo('move', a, b)
    expect((await ended(id)).state).toBe('done')
    const [, second = 0, third = 0] = times
    expect(third - second).toBeGreaterThan(1000)
  })

  test('the attestation ends an undo that waits for the target, too', async () => {
    const { hash } = await done(orderTo('move', a, b))
    b.cut()
    await until(
      () => stateOf(b),
      ({ online }) => !online,
    )
    const waiting = await undo(b, hash)
    await until(
      () => job(waiting.id),
      ({ state }) => state === 'waiting',
    )
    const body: TargetOff = { ...common(), node: a.id, target: b.id, order: hash, fenceEpoch: 1 }
    const statement = base64url(makeStatement(p, 'target-off', body, hub.operator.key))
    const { body: said } = await start({ kind: 'release', order: statement })
    expect((await ended(waiting.id)).error?.code).toBe('target-off')
    expect((await ended(said.id)).state).toBe('done')
    expect(parts.a.asked).toEqual(['fence', 'letGo'])
  })

  test('a target that comes back while the source is waited for is not left beside it', async () => {
    parts.b.before = async (method) => {
      if (method !== 'activate') return
      b.cut()
      await new Promise(() => {})
    }
    const { hash } = await orderTo('move', a, b)
    await until(
      () => stateOf(b),
      ({ online }) => !online,
    )
    await leave()
    const body: TargetOff = { ...common(), node: a.id, target: b.id, order: hash, fenceEpoch: 1 }
    const statement = base64url(makeStatement(p, 'target-off', body, hub.operator.key))
    const { body: said } = await start({ kind: 'release', order: statement })
    await b.dial()
    await until(
      () => stateOf(b),
      ({ online }) => online,
    )
    await a.dial()
    expect((await ended(said.id)).error?.code).toBe('target-online')
    expect(parts.a.asked).not.toContain('letGo')
  })

  test('a target that is gone for good holds the source until an operator attests it', async () => {
    parts.b.before = async (method) => {
      if (method !== 'activate') return
      // When it comes again it stays, and has no word to give.
      if (parts.b.asked.filter((asked) => asked === 'activate').length === 1) b.cut()
      await new Promise(() => {})
    }
    const { id, hash } = await orderTo('move', a, b)
    await until(
      () => job(id),
      ({ state }) => state === 'waiting' && parts.b.asked.includes('activate'),
    )
    const body: TargetOff = {
      ...common(),
      node: a.id,
      target: b.id,
      order: hash,
      fenceEpoch: 1,
    }
    await b.dial()
    await until(
      () => stateOf(b),
      ({ online }) => online,
    )
    const say = async () => {
      const order = base64url(makeStatement(p, 'target-off', body, hub.operator.key))
      return (await start({ kind: 'release', order })).body
    }
    expect((await say()).code).toBe('target-online')
    await hub.call('POST', `/api/nodes/${b.id}/retire`, {})
    expect((await ended(id)).error?.code).toBe('node-revoked')
    expect((await stateOf(a)).fence).toEqual({ job: id, state: 'held' })

    const released = await ended((await say()).id)
    expect(released).toMatchObject({ kind: 'release', state: 'done', undoes: id })
    expect(parts.a.asked).toEqual(['fence', 'letGo'])
    expect((await stateOf(a)).fence).toBeUndefined()
  })

  test('the attestation ends a job whose turn has not come, too', async () => {
    b.cut()
    await b.session?.closed
    const first = (await start({ kind: 'backup', node: b.id })).body
    const { id, hash } = await orderTo('move', a, b)
    expect((await job(id)).state).toBe('queued')
    const body: TargetOff = { ...common(), node: a.id, target: b.id, order: hash, fenceEpoch: 1 }
    const statement = base64url(makeStatement(p, 'target-off', body, hub.operator.key))
    const { body: said } = await start({ kind: 'release', order: statement })
    expect(await ended(id)).toMatchObject({ state: 'failed', error: { code: 'target-off' } })
    expect((await ended(said.id)).state).toBe('done')
    await hub.call('POST', `/api/jobs/${first.id}/cancel`, {})
  })

  test('the attestation ends the job that still waits for the target', async () => {
    parts.b.before = async (method) => {
      if (method !== 'activate') return
      b.cut()
      await new Promise(() => {})
    }
    const { id, hash } = await orderTo('move', a, b)
    await until(
      () => stateOf(b),
      ({ online }) => !online,
    )
    const body: TargetOff = { ...common(), node: a.id, target: b.id, order: hash, fenceEpoch: 1 }
    const statement = base64url(makeStatement(p, 'target-off', body, hub.operator.key))
    const { body: said } = await start({ kind: 'release', order: statement })
    expect((await ended(id)).error?.code).toBe('target-off')
    expect((await ended(said.id)).state).toBe('done')
  })
})
