import { base64url, hex, type Job, makeStatement, newId, OcmError, type Order } from '@ocm/protocol'
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

async function node(part: Part, confirmed = true): Promise<TestAgent> {
  const agent = await TestAgent.enrolled(hub, play(part))
  if (confirmed) await hub.confirm({ id: agent.id, key: agent.key.public })
  return agent
}

const start = async (request: object) => hub.call('POST', '/api/jobs', request)
const job = async (id: string): Promise<Job> => (await hub.call('GET', `/api/jobs/${id}`)).body

/** Waits until a job is as wanted; the test's own timeout is the deadline. */
async function until(id: string, wanted: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const now = await job(id)
    if (wanted(now)) return now
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const ended = (id: string) => until(id, ({ endedAt }) => endedAt !== null)
const states = ({ steps }: Job) => steps.map(({ name, state }) => `${name} ${state}`)

async function backup(agent: TestAgent): Promise<Job> {
  const { body } = await start({ kind: 'backup', node: agent.id })
  return ended(body.id)
}

function orderFor(
  kind: 'restore' | 'move' | 'clone',
  source: TestAgent,
  target: TestAgent,
  snapshot: string,
  change: Partial<Order> = {},
): { kind: string; order: string } {
  const order: Order = {
    v: 1,
    vault: hub.vault.id,
    operator: hub.operator.id,
    minRecord: hub.record?.serial ?? 0,
    job: newId(p),
    kind,
    source: source.id,
    target: target.id,
    snapshot,
    nonce: p.random(32),
    jobKey: p.random(32),
    choices: p.random(200),
    plan: hex(p.random(32)),
    fenceEpoch: ++epoch,
    grant: p.random(100),
    at: 0,
    ...change,
  }
  return { kind, order: hub.order(order) }
}

/** A pack that a snapshot lists. */
const packOf = async (id: string | null) => {
  const { header } = (await hub.call('GET', `/api/snapshots/${id}/header`)).body
  const text = Buffer.from(header, 'base64url').toString('latin1')
  return /[0-9a-f]{64}/.exec(text.slice(text.indexOf('packs')))?.[0] ?? ''
}

describe('a backup', () => {
  test('ends with the snapshot that was committed', async () => {
    const part = newPart()
    const agent = await node(part, false)
    const done = await backup(agent)
    expect(done).toMatchObject({ state: 'done', kind: 'backup', error: null, createdBy: 'ada' })
    expect(states(done)).toEqual(['capture done'])
    const { lastSnapshot, job: atWork } = (await hub.call('GET', `/api/nodes/${agent.id}`)).body
    expect(lastSnapshot.id).toBe(done.snapshot)
    expect(atWork).toBeNull()
  })

  test('fails with what the agent says, and with nothing when the agent invents a snapshot', async () => {
    const part = newPart()
    const agent = await node(part)
    part.before = () => {
      throw new OcmError('openclaw-missing')
    }
    expect(await backup(agent)).toMatchObject({
      state: 'failed',
      error: { code: 'openclaw-missing' },
    })
    const liar = await TestAgent.enrolled(hub, (session) => {
      session.handle('capture', async () => ({ snapshot: 'f'.repeat(64) }))
    })
    expect(await backup(liar)).toMatchObject({ state: 'failed', snapshot: null })
  })

  test('waits for a node that is not there, and begins when it comes', async () => {
    const agent = await node(newPart())
    agent.cut()
    await agent.session?.closed
    const { body } = await start({ kind: 'backup', node: agent.id })
    await until(body.id, ({ state }) => state === 'waiting')
    await agent.dial()
    expect((await ended(body.id)).state).toBe('done')
  })

  test('is asked for again after a lost link, and after a restart of the hub', async () => {
    const part = newPart()
    const agent = await node(part)
    const arrived = Promise.withResolvers<void>()
    part.before = async () => {
      arrived.resolve()
      if (part.asked.length < 3) await new Promise(() => {})
    }
    const { body } = await start({ kind: 'backup', node: agent.id })
    await arrived.promise
    agent.cut()
    await agent.dial()
    await until(body.id, () => part.asked.length === 2)

    await hub.stop()
    await hub.restart()
    expect((await job(body.id)).state).toBe('waiting')
    await agent.dial()
    expect((await ended(body.id)).state).toBe('done')
    expect(part.asked).toEqual(['capture', 'capture', 'capture'])
  })

  test('shows progress at once, and keeps the log that only operators can read', async () => {
    const part = newPart()
    const agent = await node(part)
    const go = Promise.withResolvers<void>()
    part.before = () => go.promise
    const { body } = await start({ kind: 'backup', node: agent.id })
    await until(body.id, () => part.asked.length === 1)
    const progress = { done: 7, total: 9, unit: 'bytes' as const }
    agent.session?.emit('job.progress', { job: body.id, phase: 'files', ...progress })
    agent.session?.emit('job.log', { job: body.id, sealed: base64url(Buffer.from('sealed')) })
    const seen = await until(body.id, ({ steps }) => steps[0]?.phase === 'files')
    expect(seen.steps[0]?.progress).toEqual(progress)
    go.resolve()
    await ended(body.id)
    const log = (await hub.call('GET', `/api/jobs/${body.id}/log`)).body
    expect(log).toMatchObject([{ sealed: base64url(Buffer.from('sealed')) }])
  })

  test('is one at a time on a node, in the order asked for', async () => {
    const part = newPart()
    const agent = await node(part)
    const go = Promise.withResolvers<void>()
    part.before = () => go.promise
    const first = (await start({ kind: 'backup', node: agent.id })).body
    const second = (await start({ kind: 'backup', node: agent.id })).body
    await until(first.id, () => part.asked.length === 1)
    expect((await job(second.id)).state).toBe('queued')
    expect((await hub.call('GET', `/api/nodes/${agent.id}`)).body.job).toBe(first.id)
    go.resolve()
    expect((await ended(second.id)).state).toBe('done')
    expect((await hub.call('GET', `/api/snapshots?node=${agent.id}`)).body).toHaveLength(2)
  })

  test('ends when it is cancelled, at work and in the queue', async () => {
    const part = newPart()
    const agent = await node(part)
    part.before = () => new Promise(() => {})
    const first = (await start({ kind: 'backup', node: agent.id })).body
    const second = (await start({ kind: 'backup', node: agent.id })).body
    await until(first.id, () => part.asked.length === 1)
    await hub.call('POST', `/api/jobs/${second.id}/cancel`, {})
    expect((await job(second.id)).state).toBe('cancelled')
    await hub.call('POST', `/api/jobs/${first.id}/cancel`, {})
    expect(await ended(first.id)).toMatchObject({ state: 'cancelled', error: null })
  })

  test('does not wait for a node that was retired', async () => {
    const agent = await node(newPart())
    agent.cut()
    await agent.session?.closed
    const { body } = await start({ kind: 'backup', node: agent.id })
    await until(body.id, ({ state }) => state === 'waiting')
    await hub.call('POST', `/api/nodes/${agent.id}/retire`, {})
    expect(await ended(body.id)).toMatchObject({ state: 'failed', error: { code: 'node-revoked' } })
    expect((await start({ kind: 'backup', node: agent.id })).body.code).toBe('node-revoked')
  })
})

describe('a restore', () => {
  test('is staged and activated on the node itself', async () => {
    const part = newPart()
    const agent = await node(part)
    const { snapshot } = await backup(agent)
    const { body } = await start(orderFor('restore', agent, agent, snapshot ?? ''))
    const done = await ended(body.id)
    expect(done.state).toBe('done')
    expect(part.asked).toEqual(['capture', 'stage', 'activate'])
  })

  test('fails as the target says when it aborts', async () => {
    const part = newPart()
    const agent = await node(part)
    const { snapshot } = await backup(agent)
    part.outcome = 'abort'
    const { body } = await start(orderFor('restore', agent, agent, snapshot ?? ''))
    const failed = await ended(body.id)
    expect(failed.error?.code).toBe('openclaw-unhealthy')
    expect(states(failed)).toEqual(['stage done', 'activate failed'])
  })

  test('cancelled while it is staged is thrown away on the node, also when the node comes later', async () => {
    const part = newPart()
    const agent = await node(part)
    const { snapshot } = await backup(agent)
    part.before = (method) => (method === 'stage' ? new Promise(() => {}) : undefined)
    const { body } = await start(orderFor('restore', agent, agent, snapshot ?? ''))
    await until(body.id, () => part.asked.includes('stage'))
    agent.cut()
    await agent.session?.closed
    await hub.call('POST', `/api/jobs/${body.id}/cancel`, {})
    expect((await ended(body.id)).state).toBe('cancelled')
    expect(part.asked).not.toContain('discard')
    await agent.dial()
    await until(body.id, () => part.asked.includes('discard'))
  })

  test('cannot be cancelled once the live node is being changed', async () => {
    const part = newPart()
    const agent = await node(part)
    const { snapshot } = await backup(agent)
    const go = Promise.withResolvers<void>()
    part.before = (method) => (method === 'activate' ? go.promise : undefined)
    const { body } = await start(orderFor('restore', agent, agent, snapshot ?? ''))
    await until(body.id, () => part.asked.includes('activate'))
    expect((await hub.call('POST', `/api/jobs/${body.id}/cancel`, {})).body.code).toBe(
      'cancel-too-late',
    )
    go.resolve()
    expect((await ended(body.id)).state).toBe('done')
  })

  test('fetches packs of its snapshot only, and only for its target', async () => {
    const part = newPart()
    const agent = await node(part)
    const other = await node(newPart())
    const base = await backup(agent)
    const foreign = await backup(other)
    const go = Promise.withResolvers<void>()
    part.before = (method) => (method === 'stage' ? go.promise : undefined)
    const { body } = await start(orderFor('restore', agent, agent, base.snapshot ?? ''))
    await until(body.id, () => part.asked.includes('stage'))
    const get = async (from: TestAgent, id: string, length = 1000) => {
      const answer = await from.session?.request('pack.get', {
        job: body.id,
        id,
        offset: 0,
        length,
      })
      let bytes = 0
      for await (const piece of answer?.body ?? []) bytes += piece.length
      return bytes
    }
    const mine = await packOf(base.snapshot)
    const theirs = await packOf(foreign.snapshot)
    expect(await get(agent, mine)).toBe(1000)
    await expect(get(agent, mine, 1001)).rejects.toMatchObject({ code: 'malformed' })
    await expect(get(agent, theirs)).rejects.toMatchObject({ code: 'not-found' })
    await expect(get(other, mine)).rejects.toMatchObject({ code: 'not-found' })
    go.resolve()
    await ended(body.id)
    await expect(get(agent, mine)).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('a move', () => {
  let a: TestAgent
  let b: TestAgent
  const parts = { a: newPart(), b: newPart() }
  let snapshot: string
  beforeEach(async () => {
    parts.a = newPart()
    parts.b = newPart()
    a = await node(parts.a)
    b = await node(parts.b)
    snapshot = (await backup(a)).snapshot ?? ''
    parts.a.asked.length = 0
  })
  const move = async () => (await start(orderFor('move', a, b, snapshot))).body.id as string

  test('stages on the target, fences the source, activates, and says how long nobody spoke', async () => {
    const id = await move()
    const done = await ended(id)
    expect(states(done)).toEqual(['stage done', 'trial done', 'fence done', 'activate done'])
    expect(parts.a.asked).toEqual(['fence'])
    expect(parts.b.asked).toEqual(['stage', 'trial', 'activate'])
    expect(done.downtimeMs).toBeGreaterThanOrEqual(0)
    expect(done.downtimeMs).toBeLessThan(20_000)
    expect((await hub.call('GET', `/api/nodes/${a.id}`)).body.movedTo).toBe(b.id)
  })

  test('ends before the source hears of it when a copy does not start on the target', async () => {
    parts.b.trial = { ready: false }
    const failed = await ended(await move())
    expect(failed.error?.code).toBe('trial-failed')
    expect(states(failed)).toEqual([
      'stage done',
      'trial failed',
      'fence skipped',
      'activate skipped',
    ])
    expect(parts.a.asked).toEqual([])
    await until(failed.id, () => parts.b.asked.includes('discard'))
  })

  test.each([
    ['that an order does without', { ready: false, skipped: true } as const],
    ['that the agent does not know of', undefined],
  ])('passes a trial over %s', async (_, trial) => {
    parts.b.trial = trial
    const done = await ended(await move())
    expect(states(done)).toEqual(['stage done', 'trial skipped', 'fence done', 'activate done'])
  })

  test('asks for a trial again after a restart of the hub in its middle', async () => {
    const arrived = Promise.withResolvers<void>()
    parts.b.before = async (method) => {
      if (method !== 'trial') return
      arrived.resolve()
      if (parts.b.asked.filter((asked) => asked === 'trial').length === 1) {
        await new Promise(() => {})
      }
    }
    const id = await move()
    await arrived.promise
    await hub.stop()
    await hub.restart()
    await Promise.all([a.dial(), b.dial()])
    const done = await ended(id)
    expect(states(done)).toEqual(['stage done', 'trial done', 'fence done', 'activate done'])
    expect(parts.b.asked.filter((asked) => asked === 'stage')).toHaveLength(1)
    expect(parts.a.asked).toEqual(['fence'])
  })

  test('releases the source when the target aborts, however long the source is away', async () => {
    parts.b.outcome = 'abort'
    parts.b.before = async (method) => {
      if (method !== 'activate') return
      a.cut()
      await a.session?.closed
    }
    const id = await move()
    await until(id, ({ state }) => state === 'waiting')
    expect(parts.a.asked).toEqual(['fence'])
    await a.dial()
    const failed = await ended(id)
    expect(parts.a.asked).toEqual(['fence', 'release'])
    expect(failed.error?.code).toBe('openclaw-unhealthy')
    expect((await hub.call('GET', `/api/nodes/${a.id}`)).body.movedTo).toBeNull()
  })

  test('asks the source to run again until it can, when the target aborts', async () => {
    parts.b.outcome = 'abort'
    parts.a.before = (method) => {
      const times = parts.a.asked.filter((asked) => asked === method).length
      if (method === 'release' && times === 1) throw new OcmError('gateway-will-not-stop')
    }
    const failed = await ended(await move())
    expect(parts.a.asked).toEqual(['fence', 'release', 'release'])
    expect(failed.error?.code).toBe('openclaw-unhealthy')
  })

  test('goes on where it was after a restart of the hub between fence and activate', async () => {
    const arrived = Promise.withResolvers<void>()
    parts.b.before = async (method) => {
      if (method !== 'activate') return
      arrived.resolve()
      if (parts.b.asked.filter((asked) => asked === 'activate').length === 1) {
        await new Promise(() => {})
      }
    }
    const id = await move()
    await arrived.promise
    await hub.stop()
    await hub.restart()
    await Promise.all([a.dial(), b.dial()])
    const done = await ended(id)
    expect(done.state).toBe('done')
    expect(parts.a.asked).toEqual(['fence'])
    expect(parts.b.asked.filter((asked) => asked === 'stage')).toHaveLength(1)
  })

  test('fails, and the target throws away what it staged, when the source will not stop', async () => {
    parts.a.before = (method) => {
      if (method === 'fence') throw new OcmError('gateway-will-not-stop')
    }
    const failed = await ended(await move())
    expect(failed.error?.code).toBe('gateway-will-not-stop')
    expect(states(failed)).toEqual(['stage done', 'trial done', 'fence failed', 'activate skipped'])
    await until(failed.id, () => parts.b.asked.includes('discard'))
  })

  test('is at work on both nodes: a backup of either waits', async () => {
    const go = Promise.withResolvers<void>()
    parts.b.before = (method) => (method === 'stage' ? go.promise : undefined)
    const id = await move()
    await until(id, () => parts.b.asked.includes('stage'))
    const waiting = (await start({ kind: 'backup', node: a.id })).body
    expect((await job(waiting.id)).state).toBe('queued')
    go.resolve()
    await ended(id)
    expect((await ended(waiting.id)).state).toBe('done')
    expect(parts.a.asked).toEqual(['fence', 'capture'])
  })
})

const refusal = async (request: object) => {
  const { code, facts } = (await start(request)).body
  return facts?.why === undefined ? code : `${code} ${facts.why}`
}

describe('an order', () => {
  test('is refused when it is not what the vault, the nodes and the snapshot say', async () => {
    const agent = await node(newPart())
    const other = await node(newPart())
    const unconfirmed = await node(newPart(), false)
    const { snapshot } = await backup(agent)
    const id = snapshot ?? ''
    const stranger = p.ed25519Pair()
    const forged = orderFor('restore', agent, agent, id)
    const body = { ...forged, order: base64url(makeStatement(p, 'order', { v: 1 }, stranger)) }

    expect(await refusal(body)).toBe('signature-invalid')
    const kinds = { ...orderFor('restore', agent, agent, id), kind: 'clone' }
    expect(await refusal(kinds)).toBe('order-invalid kind')
    const order = (change: Partial<Order>) => orderFor('move', agent, other, id, change)
    expect(await refusal(order({ vault: newId(p) }))).toBe('order-invalid vault')
    expect(await refusal(order({ operator: newId(p) }))).toBe('order-invalid operator')
    expect(await refusal(order({ minRecord: 99 }))).toBe('vault-record-stale')
    expect(await refusal(order({ target: agent.id }))).toBe('order-invalid target')
    expect(await refusal(order({ target: newId(p) }))).toBe('node-unknown')
    expect(await refusal(order({ snapshot: hex(p.random(32)) }))).toBe('not-found')
    expect(await refusal(order({ source: other.id, target: agent.id }))).toBe('snapshot-foreign')
    expect(await refusal(orderFor('clone', agent, unconfirmed, id))).toBe('node-unconfirmed')
    expect((await hub.call('GET', `/api/jobs?node=${agent.id}`)).body).toHaveLength(1)
  })

  test('is used once, and so is its job id', async () => {
    const agent = await node(newPart())
    const { snapshot } = await backup(agent)
    const order = orderFor('restore', agent, agent, snapshot ?? '')
    const first = (await start(order)).body
    await ended(first.id)
    expect((await start(order)).body).toMatchObject({
      code: 'order-invalid',
      facts: { why: 'used' },
    })
    const again = orderFor('restore', agent, agent, snapshot ?? '', { job: first.id })
    expect((await start(again)).body.facts).toEqual({ why: 'used' })
  })
})

test('relays what a node says of itself, and says when it is not there', async () => {
  const agent = await TestAgent.enrolled(hub, (session) => {
    session.handle('describe', async ({ record }) => ({ description: record }))
  })
  const described = await hub.call('POST', `/api/nodes/${agent.id}/describe`, {})
  expect(described.body.description).toBe((await hub.call('GET', '/api/vault')).body.record)
  agent.cut()
  await agent.session?.closed
  const gone = await hub.call('POST', `/api/nodes/${agent.id}/describe`, {})
  expect(gone.body).toMatchObject({ code: 'node-offline', facts: { reach: 'agent' } })
  expect(gone.status).toBe(503)
})
