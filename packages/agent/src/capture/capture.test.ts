import { appendFileSync, lstatSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Entry, pathFromBytes, readManifest, snapshotIdOf } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { capture } from './capture.ts'
import { SmallNode, contentOf, nameOf, newJob, noise, placed } from './testing/node.ts'

let node: SmallNode
beforeEach(async () => {
  node = await SmallNode.create()
  node.fill()
})
afterEach(() => node.remove())

const captureNow = (more: Parameters<SmallNode['parts']>[0] = {}) =>
  capture(node.parts(more), { job: newJob(), trigger: 'manual' })

const latin1 = (text: string) => Buffer.from(text).toString('latin1')

test('everything is read back as it lies on the disk', async () => {
  const id = await captureNow()
  expect(id).toBe(snapshotIdOf(p, node.hub.headers[0] as Uint8Array))
  expect(await node.differences()).toEqual([])
  const manifest = await readManifest(node.packs())
  expect(manifest.entries.map(nameOf).toSorted()).toEqual(
    [
      'extra:notes:',
      'state:',
      'state:.env',
      'state:a name\nwith a line',
      'state:config',
      'state:dangling',
      'state:empty',
      'state:exactly',
      'state:f\u00ff\u00fe.',
      'state:large',
      'state:link',
      'state:loop',
      'state:main.db',
      'state:nothing in here',
      'state:odd-link',
      'state:one-more',
      'state:run-me',
      'state:shut',
      'state:zeros',
      latin1('state:größe-\u{1f980}'),
      latin1('state:\u00e9'),
      latin1('state:e\u0301'),
      'workspace:main:',
      'workspace:main:.env',
      'workspace:main:deep',
      'workspace:main:deep/deeper',
      'workspace:main:deep/deeper/page.md',
    ].toSorted(),
  )
  const omitted = manifest.omissions.map((one) => [nameOf(one), one.why])
  expect(omitted).toEqual([
    ['state:cache', 'regenerable'],
    ['state:pipe', 'special'],
  ])
  expect(manifest.warnings).toEqual([{ code: 'survey', detail: 'one' }])
  expect(manifest.entries.filter((entry) => entry.unstable)).toEqual([])
  const page = manifest.entries.find((entry) => nameOf(entry).endsWith('page.md'))
  expect(page).toMatchObject({ section: 'workspaces', persona: 'main', kind: 'file' })
})

test('the hub sees counts and no names', async () => {
  await captureNow()
  const { metrics, versions, packs, trigger, seq, prev } = node.hub.newest
  expect({ trigger, seq, prev }).toEqual({ trigger: 'manual', seq: 1, prev: null })
  expect(metrics).toMatchObject({ files: 17, databases: 1, links: 4, directories: 5, omitted: 2 })
  expect(metrics).toMatchObject({ personas: 1, pairings: 2, sessions: 2, warnings: 1 })
  expect(versions).toEqual({ agent: '0.1.0', openclaw: '1.2.3', schemas: { state: 4 } })
  expect(packs.map((pack) => pack.class).toSorted()).toEqual(['bulk', 'secret', 'state', 'tree'])
  expect(packs.reduce((bytes, pack) => bytes + pack.bytes, 0)).toBe(metrics.storedBytes)
  for (const bytes of [...node.hub.packs.values(), ...node.hub.headers]) {
    for (const planted of ['planted', 'page.md', 'notes.txt', 'hostname', node.state]) {
      expect(Buffer.from(bytes).includes(planted)).toBe(false)
    }
  }
})

test('a second capture stores secrets and what changed, and follows the first', async () => {
  const first = await captureNow()
  const { hub } = node
  expect(hub.newest.metrics.newBytes).toBeGreaterThan(3_500_000)
  const before = hub.bytesUp

  await capture(node.parts(), { job: newJob(), trigger: 'schedule' })
  expect(hub.newest).toMatchObject({ seq: 2, prev: first, trigger: 'schedule' })
  expect(hub.bytesUp - before).toBeLessThan(30_000)
  expect(await node.differences()).toEqual([])

  const database = node.database()
  database.exec("UPDATE t SET x = 'changed' WHERE rowid = 150")
  database.close()
  const large = readFileSync(node.at('large'))
  const put = [large.subarray(0, 1_000_000), noise(10), large.subarray(1_000_000)]
  writeFileSync(node.at('large'), Buffer.concat(put))
  await captureNow()
  expect(hub.newest.metrics.newBytes).toBeLessThan(600_000)
  expect(hub.newest.packs.length).toBeGreaterThan(4)
  expect(await node.differences()).toEqual([])
})

test('a database is captured while somebody writes to it', async () => {
  const database = node.database()
  database.exec("INSERT INTO t VALUES ('in the log only')")
  expect(lstatSync(join(node.state, 'main.db-wal')).size).toBeGreaterThan(0)
  await captureNow()
  database.close()
  const packs = node.packs()
  const entry = (await readManifest(packs)).entries.find(({ kind }) => kind === 'database')
  const copy = join(node.dir, 'copy.db')
  writeFileSync(copy, await contentOf(packs, entry as Entry))
  const read = new DatabaseSync(copy)
  const found = read.prepare("SELECT count(*) AS n FROM t WHERE x = 'in the log only'").get()
  read.close()
  expect(found).toEqual({ n: 1 })
})

/** The clock is read while a file is open to be read, which is when another process writes to it here. */
const clockThat = (does: () => void) => () => {
  does()
  return 1_764_000_000_000
}

test.each(['small', 'one-more'])(
  'a %s file that is never the same twice is captured and marked',
  async (name) => {
    const bytes = name === 'small' ? 1000 : 300_000
    writeFileSync(node.at(name), noise(bytes))
    const now = clockThat(() => writeFileSync(node.at(name), noise(bytes), { flag: 'r+' }))
    await captureNow({ now })
    const packs = node.packs()
    const marked = (await readManifest(packs)).entries.filter((entry) => entry.unstable)
    expect(marked.map(nameOf)).toEqual([`state:${name}`])
    expect((await contentOf(packs, marked[0] as Entry)).length).toBe(bytes)
    expect(node.hub.newest.metrics.unstable).toBe(1)
  },
)

test('a file that grows while it is read is captured up to where it ended', async () => {
  const now = clockThat(() => appendFileSync(node.at('one-more'), noise(100_000)))
  await captureNow({ now })
  const packs = node.packs()
  const entry = (await readManifest(packs)).entries.find(({ unstable }) => unstable) as Entry
  const content = await contentOf(packs, entry)
  expect(content.equals(readFileSync(node.at('one-more')).subarray(0, content.length))).toBe(true)
})

test('a file that goes before it is read is noted', async () => {
  const installation = node.installation({
    classify(place) {
      // It has been found by then, and nothing is read before the walk has ended.
      if (place.path === 'zeros') rmSync(node.at('large'))
      return placed('gateway')
    },
  })
  await captureNow({ installation })
  const { omissions, entries } = await readManifest(node.packs())
  expect(omissions.map((one) => [nameOf(one), one.why])).toContainEqual(['state:large', 'vanished'])
  expect(entries.map(nameOf)).not.toContain('state:large')
  // The directory it was in has changed with it.
  expect(await node.differences()).toEqual(['state:'])
})

test('what is examined is what is captured, also when a file changes in between', async () => {
  const seen: string[] = []
  const installation = node.installation({
    async examine(captured) {
      const place = { root: 'state', path: 'config' }
      seen.push(Buffer.from(captured.read(place).bytes).toString())
      writeFileSync(node.at('config'), '{ "port": 2 }')
      seen.push(Buffer.from(captured.read(place).bytes).toString())
      const link = captured.entries().find((entry) => entry.place.path === 'odd-link')
      seen.push(link?.target ?? '')
      const database = new DatabaseSync(
        (await captured.openDatabase({ root: 'state', path: 'main.db' })) as string,
      )
      seen.push(JSON.stringify(database.prepare('SELECT count(*) AS n FROM t').get()))
      database.close()
    },
  })
  await captureNow({ installation })
  const target = pathFromBytes(Uint8Array.of(0x2e, 0x2f, 0xfd))
  expect(seen).toEqual(['{ "port": 1 }', '{ "port": 2 }', target, '{"n":300}'])
  const packs = node.packs()
  const { entries } = await readManifest(packs)
  const config = entries.find((entry) => nameOf(entry) === 'state:config') as Entry
  expect((await contentOf(packs, config)).toString()).toBe('{ "port": 2 }')
  expect(config.unstable).toBe(true)
})
