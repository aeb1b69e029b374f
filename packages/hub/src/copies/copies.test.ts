import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildHub } from '../app.ts'
import { TestAgent } from '../testing/agent.ts'
import { NAME, PASSWORD, TestHub } from '../testing/hub.ts'
import { backupHub } from './backup.ts'
import { restoreHub } from './restore.ts'

let hub: TestHub
let ground: string
beforeEach(async () => {
  hub = await TestHub.ready()
  ground = await mkdtemp(`${tmpdir()}/ocm-copies-`)
})
afterEach(async () => {
  await hub.close()
  await rm(ground, { recursive: true, force: true })
})

const NOW = Date.UTC(2026, 10, 25)
const copy = (withPacks: boolean, file = `${ground}/copy`) =>
  backupHub({
    data: hub.data,
    catalogUrl: hub.catalog.catalogUrl,
    file,
    withPacks,
    now: NOW,
  })

/** The job goes on until it is cancelled; what it stores is the test's. */
const joined = () =>
  TestAgent.enrolled(hub, (session) =>
    session.handle(
      'capture',
      (_params, _body, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    ),
  )

async function backedUp(agent: TestAgent): Promise<string> {
  const { id: job } = (await hub.call('POST', '/api/jobs', { kind: 'backup', node: agent.id })).body
  const snapshot = await agent.capture(job, [p.random(3000)])
  await hub.call('POST', `/api/jobs/${job}/cancel`, {})
  return snapshot
}

/** The hub goes on with another data directory. */
async function moveTo(data: string): Promise<void> {
  hub.hub = await buildHub({ data })
  hub.cookie = ''
  expect((await hub.call('POST', '/api/login', { name: NAME, password: PASSWORD })).status).toBe(
    200,
  )
}

const listed = async (of: string) =>
  ((await hub.call('GET', `/api/${of}`)).body as { id: string }[]).map(({ id }) => id).toSorted()

test('a copy made while the hub runs brings accounts, identity, nodes and snapshots to an empty directory', async () => {
  const agent = await joined()
  const snapshot = await backedUp(agent)
  const report = await copy(true)
  expect(report.packs).toBe(1)
  expect((await stat(`${ground}/copy`)).mode & 0o777).toBe(0o600)
  expect(await readdir(ground)).toEqual(['copy'])

  const { hubKey } = (await hub.call('GET', '/api/setup')).body
  await hub.stop()
  const data = `${ground}/data`
  const restored = await restoreHub({ file: `${ground}/copy`, data })
  expect(restored).toMatchObject({ missing: 0, madeAt: NOW, packs: null, files: report.files })
  expect((await stat(data)).mode & 0o777).toBe(0o700)
  expect((await stat(`${data}/keys/hub.key`)).mode & 0o777).toBe(0o600)
  await moveTo(data)
  expect((await hub.call('GET', '/api/setup')).body).toMatchObject({ open: false, hubKey })
  expect(await listed('snapshots')).toEqual([snapshot])
  // Whoever was connected comes again with the number that it was given.
  await agent.dial()
  expect(await listed('nodes')).toEqual([agent.id])
})

test('an older catalog takes up again what the store beside it holds: record, nodes, snapshots', async () => {
  const first = await joined()
  const before = await backedUp(first)
  await copy(false)

  const after = [await backedUp(first), await backedUp(first)]
  const second = await joined()
  await hub.confirm({ id: second.id, key: second.key.public })
  after.push(await backedUp(second))
  const record = hub.record?.serial
  await hub.stop()

  const data = `${ground}/data`
  const { missing, packs } = await restoreHub({
    file: `${ground}/copy`,
    data,
    packs: `${hub.data}/packs`,
  })
  expect({ missing, packs }).toEqual({ missing: 0, packs: `${hub.data}/packs` })
  await moveTo(data)
  expect(await listed('snapshots')).toEqual([before, ...after].toSorted())
  expect(await listed('nodes')).toEqual([first.id, second.id].toSorted())
  const nodes = (await hub.call('GET', '/api/nodes')).body
  expect(nodes.find(({ id }: { id: string }) => id === second.id)).toMatchObject({
    confirmed: true,
    label: `node ${second.id.slice(0, 8)}`,
  })

  // Neither is taken for a clone, and the chain goes on where it was.
  await first.dial()
  await second.dial()
  expect(first.welcome?.record).toBe(second.welcome?.record)
  const next = await backedUp(first)
  expect(await listed('snapshots')).toContain(next)
  expect(await hub.putRecord({})).toMatchObject({ status: 200 })
  expect(hub.record?.serial).toBe((record ?? 0) + 1)
})

test('a snapshot of which a pack is gone is not taken up', async () => {
  const agent = await joined()
  await copy(false)
  await backedUp(agent)
  await hub.stop()
  const shelves = (await readdir(`${hub.data}/packs`)).filter((name) => /^[0-9a-f]{2}$/.test(name))
  for (const shelf of shelves) await rm(`${hub.data}/packs/${shelf}`, { recursive: true })
  await restoreHub({ file: `${ground}/copy`, data: `${ground}/data`, packs: `${hub.data}/packs` })
  await moveTo(`${ground}/data`)
  expect(await listed('snapshots')).toEqual([])
})

test('says how many packs are not there when they are neither in the copy nor named', async () => {
  await backedUp(await joined())
  await copy(false)
  const { missing, packs } = await restoreHub({ file: `${ground}/copy`, data: `${ground}/data` })
  expect({ missing, packs }).toEqual({ missing: 1, packs: `${hub.data}/packs` })
})

test('nothing is written where something is already', async () => {
  await copy(false)
  await expect(copy(false)).rejects.toMatchObject({ code: 'target-not-empty' })
  const restore = restoreHub({ file: `${ground}/copy`, data: hub.data })
  await expect(restore).rejects.toMatchObject({ code: 'target-not-empty' })
  await expect(
    backupHub({ data: ground, file: `${ground}/other`, withPacks: false, now: 0 }),
  ).rejects.toMatchObject({ code: 'store-not-found' })
})

test('a copy that was cut or changed is refused, and leaves nothing behind', async () => {
  await backedUp(await joined())
  await copy(true)
  const whole = await readFile(`${ground}/copy`)
  const key = await readFile(`${hub.data}/keys/hub.key`)
  const at = whole.indexOf(key)
  expect(at).toBeGreaterThan(0)
  const changed = Uint8Array.from(whole)
  changed[at] = (changed[at] ?? 0) ^ 1
  for (const bytes of [changed, whole.subarray(0, whole.length / 2), Buffer.from('no database')]) {
    await writeFile(`${ground}/bad`, bytes)
    const restore = restoreHub({ file: `${ground}/bad`, data: `${ground}/data` })
    await expect(restore).rejects.toHaveProperty('code')
    expect(existsSync(`${ground}/data`)).toBe(false)
  }
  expect((await readdir(ground)).toSorted()).toEqual(['bad', 'copy'])
  // The lines above would pass for any reason; this is the one.
  await writeFile(`${ground}/bad`, changed)
  await expect(restoreHub({ file: `${ground}/bad`, data: `${ground}/data` })).rejects.toMatchObject(
    { code: 'copy-unusable' },
  )
})

test('what a backup that was killed left goes with the next, and nothing else', async () => {
  const gone = spawnSync('true').pid
  await mkdir(`${ground}/.ocm-backup-${gone}-abc`)
  await writeFile(`${ground}/.ocm-backup-${gone}-abc/catalog.sqlite`, '')
  await writeFile(`${ground}/copy.unfinished-0123456789ab`, '')
  const others = [`.ocm-backup-${process.pid}-abc`, 'other.unfinished-0123456789ab']
  for (const name of others) await writeFile(`${ground}/${name}`, '')
  await copy(false)
  expect((await readdir(ground)).toSorted()).toEqual([...others, 'copy'].toSorted())
  expect((await stat(`${ground}/copy`)).mode & 0o777).toBe(0o600)
})
