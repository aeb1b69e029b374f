import { readFile, rm } from 'node:fs/promises'
import { base64url } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { bodyOf, idOf, listed, TestAgent } from '../testing/agent.ts'
import { TestHub } from '../testing/hub.ts'

let hub: TestHub
let agent: TestAgent
let job: string
beforeAll(async () => {
  hub = await TestHub.ready()
})
afterAll(() => hub.close())
beforeEach(async () => {
  // A capture that is still at work while the test plays its parts one by one.
  agent = await TestAgent.enrolled(hub, (session) => {
    session.handle(
      'capture',
      (_params, _body, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
  })
  job = (await hub.call('POST', '/api/jobs', { kind: 'backup', node: agent.id })).body.id
})

const snapshots = async () => (await hub.call('GET', `/api/snapshots?node=${agent.id}`)).body
const refused = (code: string, facts = {}) => expect.objectContaining({ code, facts })

test('stores a snapshot, shows it, keeps its header beside the packs, and answers again the same', async () => {
  const packs = [p.random(5000), p.random(70_000)]
  const statement = agent.header({ packs: packs.map(listed) })
  for (const pack of packs) await agent.put(pack)
  const id = await agent.commit(job, statement)
  expect(await agent.commit(job, statement)).toBe(id)

  expect(await snapshots()).toMatchObject([{ id, seq: 1, storedBytes: 75_000, trigger: 'manual' }])
  const { header, nodeKey } = (await hub.call('GET', `/api/snapshots/${id}/header`)).body
  expect(header).toBe(base64url(statement))
  expect(nodeKey).toBe(base64url(agent.key.public))
  expect(new Uint8Array(await readFile(`${hub.data}/packs/snapshots/${id}`))).toEqual(statement)
  const { lastSnapshot } = (await hub.call('GET', `/api/nodes/${agent.id}`)).body
  expect(lastSnapshot).toMatchObject({ id, bytes: 75_000 })
})

test('refuses while a pack is missing, says how many, and tells which', async () => {
  const packs = [p.random(100), p.random(100), p.random(100)]
  const statement = agent.header({ packs: packs.map(listed) })
  await agent.put(packs[1] ?? new Uint8Array())
  await expect(agent.commit(job, statement)).rejects.toEqual(refused('pack-missing', { count: 2 }))
  const ids = packs.map(idOf)
  const asked = await agent.session?.request('pack.missing', { ids })
  expect(asked?.result.missing).toEqual([ids[0], ids[2]])
  expect(await snapshots()).toEqual([])
})

test('notices that a pack it had is gone from the disk', async () => {
  const pack = p.random(100)
  const id = await agent.put(pack)
  await rm(`${hub.data}/packs/${id.slice(0, 2)}/${id}`)
  const asked = await agent.session?.request('pack.missing', { ids: [id] })
  expect(asked?.result.missing).toEqual([id])
  const statement = agent.header({ packs: [listed(pack)] })
  await expect(agent.commit(job, statement)).rejects.toEqual(refused('pack-missing', { count: 1 }))
})

test("does not take another node's pack for this node's", async () => {
  const pack = p.random(100)
  const other = await TestAgent.enrolled(hub)
  await other.put(pack)
  const asked = await agent.session?.request('pack.missing', { ids: [idOf(pack)] })
  expect(asked?.result.missing).toEqual([idOf(pack)])
})

test('refuses a snapshot that another key has signed', async () => {
  const other = await TestAgent.enrolled(hub)
  other.id = agent.id
  await expect(agent.commit(job, other.header({}))).rejects.toMatchObject({
    code: 'signature-invalid',
  })
})

test('refuses a snapshot of another node, of another vault, of an epoch to come', async () => {
  const tries = [
    [{ node: 'f'.repeat(32) }, 'node'],
    [{ vault: 'f'.repeat(32) }, 'vault'],
    [{ epoch: 2 }, 'epoch'],
  ] as const
  for (const [change, why] of tries) {
    const commit = agent.commit(job, agent.header(change))
    await expect(commit).rejects.toEqual(refused('snapshot-refused', { why }))
  }
})

test('refuses what does not follow the newest one: a gap, a fork, a history of its own', async () => {
  const first = await agent.capture(job, [p.random(10)])
  const tries = [
    [{ seq: 1, prev: null }, 'sequence'],
    [{ seq: 3, prev: first }, 'sequence'],
    [{ seq: 2, prev: null }, 'chain'],
    [{ seq: 2, prev: 'f'.repeat(64) }, 'chain'],
  ] as const
  for (const [change, why] of tries) {
    const commit = agent.commit(job, agent.header(change))
    await expect(commit).rejects.toEqual(refused('snapshot-refused', { why }))
  }
  await agent.commit(job, agent.header({ seq: 2, prev: first }))
  expect(await snapshots()).toHaveLength(2)
})

test('takes one of two that come at once', async () => {
  const commits = await Promise.allSettled([
    agent.commit(job, agent.header({ startedAt: 1 })),
    agent.commit(job, agent.header({ startedAt: 2 })),
  ])
  expect(commits.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await snapshots()).toHaveLength(1)
})

test('takes no snapshot that no job asked for', async () => {
  const unknown = agent.commit('f'.repeat(32), agent.header({}))
  await expect(unknown).rejects.toMatchObject({ code: 'not-found' })
  await hub.call('POST', `/api/jobs/${job}/cancel`, {})
  await expect(agent.commit(job, agent.header({}))).rejects.toMatchObject({ code: 'job-cancelled' })
})

test('takes no pack that is longer than it says or than packs are', async () => {
  const bytes = p.random(100)
  const put = (said: number) =>
    agent.session?.request(
      'pack.put',
      { id: idOf(bytes), bytes: said, class: 'state' },
      { body: bodyOf(bytes) },
    )
  await expect(put(99)).rejects.toMatchObject({ code: 'pack-mismatch' })
  await expect(put(101)).rejects.toMatchObject({ code: 'pack-mismatch' })
  await expect(put(33 * 1024 * 1024)).rejects.toMatchObject({ code: 'malformed' })
  await expect(put(0)).rejects.toMatchObject({ code: 'malformed' })
})

test('gives operators the packs, whole and in ranges, and their headers at once', async () => {
  const header = Buffer.from('a header')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(header.length)
  const pack = Buffer.concat([Buffer.from('OCMPACK1'), length, header, p.random(3_000_000)])
  const id = await agent.put(pack)
  const get = async (range?: string) => {
    const response = await fetch(`${hub.url}/api/packs/${id}`, {
      headers: { cookie: hub.cookie, ...(range !== undefined && { range }) },
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    return { status: response.status, range: response.headers.get('content-range'), bytes }
  }
  // Compared as a whole: the runner's own look at each byte takes seconds.
  const { bytes: all, ...said } = await get()
  expect([all.equals(pack), said]).toEqual([true, { status: 200, range: null }])
  expect(await get('bytes=10-19')).toEqual({
    status: 206,
    range: `bytes 10-19/${pack.length}`,
    bytes: pack.subarray(10, 20),
  })
  expect((await get('bytes=9000-')).bytes.equals(pack.subarray(9000))).toBe(true)
  const asked = { headers: { cookie: hub.cookie } }
  const head = await fetch(`${hub.url}/api/packs/${id}`, { ...asked, method: 'HEAD' })
  expect(head.headers.get('content-length')).toBe(String(pack.length))
  expect(head.headers.get('x-content-type-options')).toBe('nosniff')
  // Whoever goes away in the middle costs nobody else anything.
  const left = await fetch(`${hub.url}/api/packs/${id}`, asked)
  expect(left.headers.get('x-content-type-options')).toBe('nosniff')
  await left.body?.cancel()
  expect((await get()).bytes.equals(pack)).toBe(true)
  expect((await get(`bytes=${pack.length}-`)).status).toBe(400)
  const headers = await hub.call('POST', '/api/packs/headers', { ids: [id, id] })
  const start = base64url(pack.subarray(0, 20))
  expect(headers.body).toEqual({ headers: [start, start] })
})
