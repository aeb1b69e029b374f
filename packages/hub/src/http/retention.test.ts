import { readFile, writeFile } from 'node:fs/promises'
import { hex, newId, type Order } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { idOf, TestAgent } from '../testing/agent.ts'
import { NAME, PASSWORD, TestHub } from '../testing/hub.ts'
import { newPart, play } from '../testing/part.ts'

const DAY = 86_400_000

let hub: TestHub
let agent: TestAgent
let at = Date.UTC(2026, 0, 1)
beforeAll(async () => {
  hub = await TestHub.ready({ now: () => at })
})
afterAll(() => hub.close())
beforeEach(async () => {
  agent = await TestAgent.enrolled(hub, play(newPart()))
})

const get = async (path: string) => (await hub.call('GET', path)).body
const policy = (body: object) =>
  hub.call('PUT', '/api/retention/policy', { node: agent.id, ...body })

async function backUp(): Promise<string> {
  const { id } = (await hub.call('POST', '/api/jobs', { kind: 'backup', node: agent.id })).body
  for (;;) {
    const job = await get(`/api/jobs/${id}`)
    if (job.state === 'done') return job.snapshot
    if (job.state === 'failed') throw new Error(JSON.stringify(job.error))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** So many old ones, the oldest first, then one of today. Sessions end meanwhile. */
async function old(count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push(await backUp())
  at += 15 * DAY
  await hub.call('POST', '/api/login', { name: NAME, password: PASSWORD })
  ids.push(await backUp())
  return ids
}

const audited = async () => {
  const entries = (await get('/api/audit')) as { action: string; actor: string; subject: string }[]
  return entries.map(({ action, subject }) => `${action} ${subject}`)
}

test('keeps everything at first, behind a lock of 14 days and the last 7', async () => {
  expect(await get('/api/retention')).toMatchObject({
    policy: null,
    lock: { days: 14, last: 7 },
    graceHours: 72,
    ranAt: null,
    held: null,
  })
})

test('shows what would go and why the rest stays, prunes what was looked at, and takes it back', async () => {
  const ids = await old(9)
  const [oldest = '', second = '', third = ''] = ids
  await hub.call('POST', `/api/snapshots/${second}/pin`, {})
  expect((await get(`/api/prune?node=${agent.id}`)).nodes[0].snapshots.at(-1)).toMatchObject({
    id: oldest,
    keep: ['no-policy'],
  })
  await policy({ policy: { keepLast: 2 } })
  const preview = await get(`/api/prune?node=${agent.id}`)
  const why = (id: string) =>
    preview.nodes[0].snapshots.find((one: { id: string }) => one.id === id).keep
  expect([oldest, second, third].map(why)).toEqual([[], ['pinned'], []])
  expect(why(ids.at(-1) ?? '')).toEqual([
    'newest',
    'last-good',
    'locked-age',
    'locked-last',
    'last',
  ])
  // Each has one pack of its own of 1000 bytes.
  expect(preview.nodes[0].bytes).toBe(2000)

  const pruned = await hub.call('POST', '/api/prune', { snapshots: [oldest, second] })
  expect(pruned.body).toEqual({ pruned: [oldest], kept: [second] })
  const listed = async (query = '') =>
    (await get(`/api/snapshots?node=${agent.id}${query}`)).map(({ id }: { id: string }) => id)
  expect(await listed()).not.toContain(oldest)
  expect(await listed('&pruned=true')).toContain(oldest)
  expect(await get(`/api/snapshots/${oldest}`)).toMatchObject({ prunedAt: at, pinned: false })

  await hub.call('POST', `/api/snapshots/${oldest}/undo`, {})
  expect(await listed()).toContain(oldest)
  expect(await audited()).toEqual(
    expect.arrayContaining([
      `pinned ${second}`,
      `retention-policy ${agent.id} {"keepLast":2}`,
      `pruned ${oldest}`,
      `prune-undone ${oldest}`,
    ]),
  )
})

test('lowers the lock only for who says so, and writes it down', async () => {
  const lower = { lock: { days: 3, last: 2 }, graceHours: 24 }
  const refused = await hub.call('PUT', '/api/retention/lock', { ...lower, lower: false })
  expect(refused.body).toMatchObject({
    code: 'retention-locked',
    facts: { days: 14, last: 7, graceHours: 72 },
  })
  expect((await get('/api/retention')).lock).toEqual({ days: 14, last: 7 })
  const done = await hub.call('PUT', '/api/retention/lock', { ...lower, lower: true })
  expect(done.body).toMatchObject(lower)
  expect(await audited()).toContain('retention-lock-lowered 3 days, last 2, grace 24 h')
  // Up again needs no word.
  const raised = { lock: { days: 14, last: 7 }, graceHours: 72, lower: false }
  expect((await hub.call('PUT', '/api/retention/lock', raised)).status).toBe(200)
})

test('a snapshot that a restore works with does not go; one that is pruned is restored no more', async () => {
  const [oldest = '', second = ''] = await old(8)
  await policy({ policy: {} })
  await hub.confirm({ id: agent.id, key: agent.key.public })
  agent.cut()
  const restore = async (snapshot: string) => {
    const order: Order = {
      v: 1,
      vault: hub.vault.id,
      operator: hub.operator.id,
      minRecord: hub.record?.serial ?? 0,
      job: newId(p),
      kind: 'restore',
      source: agent.id,
      target: agent.id,
      snapshot,
      nonce: p.random(32),
      jobKey: p.random(32),
      choices: p.random(200),
      plan: hex(p.random(32)),
      fenceEpoch: 1,
      grant: p.random(100),
      at: 0,
    }
    return (await hub.call('POST', '/api/jobs', { kind: 'restore', order: hub.order(order) })).body
  }
  expect((await restore(second)).state).toBe('queued')
  const pruned = await hub.call('POST', '/api/prune', { snapshots: [oldest, second] })
  expect(pruned.body).toEqual({ pruned: [oldest], kept: [second] })
  expect((await restore(oldest)).code).toBe('snapshot-pruned')
})

test('a full scrub finds a flipped bit, and the next backup does not count on the pack', async () => {
  const id = await backUp()
  const { header } = await get(`/api/snapshots/${id}/header`)
  expect(header).not.toBe('')
  const pack = p.random(5000)
  const packId = await agent.put(pack)
  const file = `${hub.data}/packs/${packId.slice(0, 2)}/${packId}`
  const bytes = await readFile(file)
  bytes[9] = (bytes[9] ?? 0) ^ 4
  await writeFile(file, bytes)
  at += 1000
  expect((await hub.call('POST', '/api/scrub', {})).status).toBe(200)
  let state = await get('/api/scrub')
  while (state.running !== null) {
    await new Promise((resolve) => setImmediate(resolve))
    state = await get('/api/scrub')
  }
  expect(state.damage).toMatchObject([{ pack: packId, node: agent.id, kind: 'damaged' }])
  const asked = await agent.session?.request('pack.missing', { ids: [packId] })
  expect(asked?.result.missing).toEqual([packId])
  const metrics = String((await hub.call('GET', '/metrics')).body)
  expect(metrics).toContain('ocm_packs_damaged 1\n')
  expect(metrics).toMatch(/ocm_scrubbed_packs_total [1-9]/)
  await agent.put(pack)
  expect((await get('/api/scrub')).damage).toEqual([])
  expect(idOf(pack)).toBe(packId)
})

test('a backup with warnings is done with warnings', async () => {
  const id = await backUp()
  expect((await get(`/api/snapshots/${id}`)).metrics.warnings).toBe(0)
  const [job] = await get(`/api/jobs?node=${agent.id}`)
  expect(job).toMatchObject({ state: 'done', warnings: 0 })
})

test('asks for a login everywhere, and knows no node that is none', async () => {
  const paths = [
    ['GET', '/api/retention'],
    ['PUT', '/api/retention/policy'],
    ['PUT', '/api/retention/lock'],
    ['POST', '/api/retention/resume'],
    ['GET', '/api/prune'],
    ['POST', '/api/prune'],
    ['POST', `/api/snapshots/${'0'.repeat(64)}/pin`],
    ['POST', `/api/snapshots/${'0'.repeat(64)}/undo`],
    ['POST', '/api/scrub'],
  ] as const
  const { cookie } = hub
  hub.cookie = ''
  const answers = await Promise.all(
    paths.map(([method, path]) => hub.call(method, path, method === 'GET' ? undefined : {})),
  )
  hub.cookie = cookie
  expect(answers.map(({ body }) => body.code)).toEqual(paths.map(() => 'login-needed'))
  expect((await hub.call('GET', `/api/prune?node=${'f'.repeat(32)}`)).body.code).toBe(
    'node-unknown',
  )
})
