import { base64url, type Schedule } from '@ocm/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TestAgent } from '../testing/agent.ts'
import { NAME, PASSWORD, TestHub } from '../testing/hub.ts'
import { newPart, play } from '../testing/part.ts'

const HOUR = 3_600_000
const EVERY_6: Schedule = { kind: 'every', hours: 6 }

let hub: TestHub
let at: number
beforeEach(async () => {
  at = Date.UTC(2026, 0, 1)
  hub = await TestHub.ready({ now: () => at })
})
afterEach(() => hub.close())

const enrol = () => TestAgent.enrolled(hub, play(newPart()))
const get = async (path: string) => (await hub.call('GET', path)).body
const set = (id: string, schedule: unknown) =>
  hub.call('PUT', `/api/nodes/${id}/schedule`, { schedule })
const triggers = async (id: string) =>
  (await get(`/api/snapshots?node=${id}`)).map(({ trigger }: { trigger: string }) => trigger)

async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setImmediate(resolve))
}

/** Sessions end while the clock jumps. */
async function pass(hours: number): Promise<void> {
  at += hours * HOUR
  await hub.call('POST', '/api/login', { name: NAME, password: PASSWORD })
}

/** A node that comes is looked at at once; answers when it has been. */
async function comeBack(agent: TestAgent): Promise<void> {
  agent.cut()
  await until(async () => !(await get(`/api/nodes/${agent.id}`)).online)
  await agent.dial()
}

test('shows when a node is backed up next, and takes it away again', async () => {
  const { id } = await enrol()
  expect((await get(`/api/nodes/${id}`)).schedule).toBeUndefined()
  const { body } = await set(id, EVERY_6)
  expect(body.schedule.schedule).toEqual(EVERY_6)
  expect(body.schedule.nextAt).toBeGreaterThan(at)
  expect(body.schedule.nextAt).toBeLessThanOrEqual(at + 6 * HOUR)
  expect((await set(id, null)).body.schedule).toBeUndefined()
  const subjects = (await get('/api/audit')).map(({ subject }: { subject: string }) => subject)
  expect(subjects).toEqual(expect.arrayContaining([`${id} every 6 h`, `${id} off`]))
})

test('what was missed is made up for once, when the node comes, and says why it was made', async () => {
  const agent = await enrol()
  await set(agent.id, EVERY_6)
  agent.cut()
  await pass(40)
  expect((await get(`/api/nodes/${agent.id}`)).schedule.nextAt).toBeLessThan(at)
  expect(await get('/metrics')).toContain('ocm_nodes_overdue 1\n')
  await comeBack(agent)
  await until(async () => (await triggers(agent.id)).length > 0)
  expect((await get(`/api/nodes/${agent.id}`)).schedule.nextAt).toBeGreaterThan(at)
  await comeBack(agent)
  await set(agent.id, EVERY_6)
  expect(await triggers(agent.id)).toEqual(['schedule'])
  expect(await get('/metrics')).toContain('ocm_nodes_overdue 0\n')
  const [job] = await get(`/api/jobs?node=${agent.id}`)
  expect(job).toMatchObject({ kind: 'backup', createdBy: 'schedule', state: 'done' })
})

test('a restart of the hub forgets nothing', async () => {
  const agent = await enrol()
  await set(agent.id, EVERY_6)
  await hub.stop()
  await hub.restart()
  await pass(7)
  await agent.dial()
  await until(async () => (await triggers(agent.id)).length > 0)
  expect(await triggers(agent.id)).toEqual(['schedule'])
})

test('a clock that was ahead puts nothing off', async () => {
  const agent = await enrol()
  const right = at
  at += 1000 * HOUR
  await hub.call('POST', '/api/login', { name: NAME, password: PASSWORD })
  await set(agent.id, EVERY_6)
  at = right
  await hub.call('POST', '/api/login', { name: NAME, password: PASSWORD })
  expect((await get(`/api/nodes/${agent.id}`)).schedule.nextAt).toBeLessThanOrEqual(at + 6 * HOUR)
  let days = 0
  await until(async () => {
    days++
    await pass(24)
    await comeBack(agent)
    return (await get(`/api/jobs?node=${agent.id}`)).length > 0
  })
  expect(days).toBeLessThan(30)
})

test.each([
  ['no time', { kind: 'daily', at: '25:00', zone: 'UTC' }],
  ['no zone', { kind: 'daily', at: '03:00', zone: 'Mars/Olympus' }],
  ['no hours', { kind: 'every', hours: 0 }],
])('refuses %s', async (_, schedule) => {
  const { id } = await enrol()
  const { status, body } = await set(id, schedule)
  expect([status, body.code]).toEqual([400, 'malformed'])
})

test('asks for a login', async () => {
  const { id } = await enrol()
  hub.cookie = ''
  expect((await set(id, null)).body.code).toBe('login-needed')
})

test('a node over ssh is due like any other when the hub may log in, and waits when it may not', async () => {
  const agent = await enrol()
  await set(agent.id, EVERY_6)
  agent.cut()
  await until(async () => !(await get(`/api/nodes/${agent.id}`)).online)
  const store = (body: object) => hub.call('PUT', `/api/nodes/${agent.id}/ssh`, body)
  await store({})
  await pass(7)
  const other = await enrol()
  await comeBack(other)
  expect(await get(`/api/jobs?node=${agent.id}`)).toEqual([])
  expect((await store({ delegation: base64url(new Uint8Array(80)) })).status).toBe(200)
  await comeBack(other)
  await until(async () => (await get(`/api/jobs?node=${agent.id}`)).length > 0)
  expect(await get(`/api/jobs?node=${agent.id}`)).toMatchObject([{ createdBy: 'schedule' }])
})
