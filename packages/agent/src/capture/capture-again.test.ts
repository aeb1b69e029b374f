/** What is captured again: read only if it looks changed, and never missed when it is. */
import {
  type Stats,
  appendFileSync,
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EXTENT_MAX_BYTES, readManifest } from '@ocm/protocol'
import { capture } from './capture.ts'
import { SmallNode, nameOf, newJob, noise, placed } from './testing/node.ts'
import { onDiskNow } from './testing/random-trees.ts'

let node: SmallNode
/** How far ahead of what was written the clock is: what was written seconds ago is relied on. */
let ahead = 0
let asked = 0
beforeEach(async () => {
  node = await SmallNode.create()
  node.fill()
  ahead = 0
})
afterEach(() => node.remove())

const now = () => {
  asked++
  return Math.floor(performance.timeOrigin + performance.now()) + ahead
}

/** Captures ten seconds after the last time. @returns how often the clock was looked at: once for each file that is read. */
async function captureLater(more: Parameters<SmallNode['parts']>[0] = {}): Promise<number> {
  ahead += 10_000
  asked = 0
  await capture(node.parts({ now, ...more }), { job: newJob(), trigger: 'manual' })
  return asked
}

/** The manifest's, of a file of many extents. */
const PAGES_BYTES = 30_000

const newBytes = () => node.hub.newest.metrics.newBytes
const packsOf = (packClass: string) =>
  node.hub.newest.packs.filter((pack) => pack.class === packClass).map(({ id }) => id)

test('what looks as it did is not read, and its pages and packs are referred to', async () => {
  const first = await captureLater()
  const secrets = packsOf('secret')
  const second = await captureLater()
  expect(first - second).toBeGreaterThanOrEqual(17)
  // The page of what the run found out about itself.
  expect(newBytes()).toBeLessThan(3000)
  expect(packsOf('secret')).toEqual(secrets)
  expect(await node.differences()).toEqual([])
  await captureLater()
  expect(newBytes()).toBeLessThan(3000)
  expect(await node.differences()).toEqual([])
})

const capturing = () => capture(node.parts({ now }), { job: newJob(), trigger: 'manual' })

test('what was written a moment before it was read is read again', async () => {
  await capturing()
  asked = 0
  await capturing()
  const racy = asked
  const settled = (await captureLater(), await captureLater())
  expect(racy - settled).toBeGreaterThanOrEqual(17)
})

test('a database is not read again because its log was opened, and is when something was written to it', async () => {
  const phases: string[] = []
  node.hub.progress = (...[phase]: readonly string[]) => void phases.push(phase ?? '')
  const database = node.database()
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE more (x); PRAGMA wal_checkpoint(TRUNCATE)')
  const log = node.at('main.db-wal')
  const open = (seconds: number) => {
    // As SQLite does for root: only the kernel's time changes.
    const { uid, gid, atime, mtime } = lstatSync(log)
    chownSync(log, uid, gid)
    if (lstatSync(log).size === 0) utimesSync(log, atime, mtime.getTime() / 1000 + seconds)
    phases.length = 0
  }
  await captureLater()
  open(5)
  await captureLater()
  expect(phases).not.toContain('databases')
  database.exec('INSERT INTO more VALUES (1)')
  await captureLater()
  expect(phases).toContain('databases')
  open(0)
  await captureLater()
  expect(phases).not.toContain('databases')
  database.close()
  await captureLater()
  expect(await node.differences()).toEqual([])
})

const CHANGES: readonly (readonly [string, () => void])[] = [
  [
    'edited in place, its time set back',
    () => {
      const { atime, mtime } = lstatSync(node.at('exactly'))
      writeFileSync(node.at('exactly'), noise(256 * 1024), { flag: 'r+' })
      utimesSync(node.at('exactly'), atime, mtime)
    },
  ],
  ['of another mode', () => chmodSync(node.at('config'), 0o600)],
  ['touched', () => utimesSync(node.at('large'), 1_600_000_000, 1_600_000_000)],
  ['renamed', () => renameSync(node.at('large'), node.at('larger'))],
  [
    'replaced by another of the same size and time',
    () => {
      const { atime, mtime } = lstatSync(node.at('config'))
      writeFileSync(node.at('new'), '{ "port": 2 }', { mode: 0o640 })
      utimesSync(node.at('new'), atime, mtime)
      renameSync(node.at('new'), node.at('config'))
    },
  ],
  [
    'replaced by a link',
    () => {
      rmSync(node.at('large'))
      symlinkSync('config', node.at('large'))
    },
  ],
  [
    'replaced by a directory',
    () => {
      rmSync(node.at('large'))
      mkdirSync(node.at('large'))
      writeFileSync(node.at('large/inside'), 'x')
    },
  ],
  [
    'a link to something else',
    () => {
      rmSync(node.at('link'))
      symlinkSync('shut', node.at('link'))
    },
  ],
  ['gone', () => rmSync(node.at('ws/deep'), { recursive: true })],
  ['new', () => writeFileSync(node.at('ws/new'), 'n')],
  ['a secret that changed', () => writeFileSync(node.at('.env'), 'KEY=other\n')],
]

test.each(CHANGES)('something %s is found', async (_, change) => {
  await captureLater()
  await captureLater()
  change()
  await captureLater()
  expect(await node.differences()).toEqual([])
  await captureLater()
  expect(await node.differences()).toEqual([])
  expect(newBytes()).toBeLessThan(3000)
})

/** As if nothing had come or gone: only the kernel knows better. */
function unseen(directories: readonly string[], change: () => void): void {
  const before = directories.map((name) => lstatSync(node.at(name)))
  change()
  for (const [n, name] of directories.entries()) {
    const { atime, mtime } = before[n] as Stats
    utimesSync(node.at(name), atime, mtime)
  }
}

const COMING_AND_GOING: readonly (readonly [string, () => void])[] = [
  ['comes', () => writeFileSync(node.at('ws/deep/come'), 'c')],
  ['goes', () => rmSync(node.at('ws/deep/gone'))],
  ['moves', () => renameSync(node.at('ws/deep/gone'), node.at('ws/deep/deeper/moved'))],
  ['comes where nothing was', () => writeFileSync(node.at('nothing in here/come'), 'c')],
  [
    'becomes a directory',
    () => (rmSync(node.at('ws/deep/gone')), mkdirSync(node.at('ws/deep/gone'))),
  ],
]

test.each(COMING_AND_GOING)(
  'what %s in a directory that looks as it did is found',
  async (_, change) => {
    writeFileSync(node.at('ws/deep/gone'), 'g')
    const names = async () => (await readManifest(node.packs())).entries.map(nameOf).toSorted()
    const onDisk = () =>
      [...onDiskNow(node.state).keys()]
        .filter((name) => !/^(?:ocm|cache|pipe)(?:\/|$)/.test(name))
        .map((name) => name.replace(/^(?=ws(?:\/|$))/, '\0').replace(/^(?!\0)/, 'state:'))
        .map((name) => name.replace(/^\0ws\/?/, 'workspace:main:'))
    await captureLater()
    await captureLater()
    for (let times = 0; times < 2; times++) {
      expect(await names()).toEqual([...onDisk(), 'extra:notes:'].toSorted())
      expect(await node.differences()).toEqual([])
      if (times === 0) unseen(['ws/deep', 'ws/deep/deeper', 'nothing in here'], change)
      await captureLater()
    }
  },
)

test('a database whose path has become a loop is left out, and all else is captured', async () => {
  await captureLater()
  rmSync(node.at('main.db'))
  symlinkSync('main.db', node.at('main.db'))
  writeFileSync(node.at('ws/new'), 'n')
  await captureLater()
  const { entries } = await readManifest(node.packs())
  expect(entries.map(nameOf)).toContain('workspace:main:new')
  expect(entries.filter(({ kind }) => kind === 'database')).toEqual([])
})

test('a row that is in the log of a database only is found', async () => {
  const database = node.database()
  database.exec("INSERT INTO t VALUES ('one')")
  await captureLater()
  await captureLater()
  const databaseBytes = async () => {
    const { entries } = await readManifest(node.packs())
    return entries.find(({ kind }) => kind === 'database')?.sha256
  }
  const before = await databaseBytes()
  database.exec("INSERT INTO t VALUES ('another')")
  await captureLater()
  expect(await databaseBytes()).not.toEqual(before)
  database.close()
})

test('of what was appended to, or had something put into its middle, little is stored again', async () => {
  const log = node.at('history.jsonl')
  writeFileSync(log, noise(3_000_000))
  await captureLater()
  appendFileSync(log, noise(100_000))
  await captureLater()
  // The last extent is cut anew.
  expect(newBytes()).toBeLessThan(100_000 + EXTENT_MAX_BYTES + PAGES_BYTES)
  expect(newBytes()).toBeGreaterThan(100_000)
  const held = readFileSync(log)
  const middle = held.length >> 1
  writeFileSync(log, Buffer.concat([held.subarray(0, middle), noise(1000), held.subarray(middle)]))
  await captureLater()
  expect(newBytes()).toBeLessThan(1000 + 4 * EXTENT_MAX_BYTES + PAGES_BYTES)
  expect(await node.differences()).toEqual([])
})

test('what becomes a secret is stored as one, though it looks the same', async () => {
  await captureLater()
  const installation = node.installation({ classify: () => placed('credentials', 'secret') })
  await captureLater({ installation })
  const { bytes } = node.hub.newest.metrics
  expect(newBytes()).toBeGreaterThan(bytes / 2)
  expect(await node.differences()).toEqual([])
})

test('a cache that is damaged or of another key means that everything is read', async () => {
  const first = await captureLater()
  const path = join(node.agentState, 'stat-cache')
  const cache = readFileSync(path)
  cache[cache.length >> 1] = (cache[cache.length >> 1] as number) ^ 1
  writeFileSync(path, cache)
  expect(first - (await captureLater())).toBeLessThan(17)
  expect(await node.differences()).toEqual([])
})

test('what a lost pack held is read and stored again, and no more', async () => {
  writeFileSync(node.at('ws/blob'), noise(400_000))
  await captureLater()
  node.hub.packs.delete(packsOf('bulk')[0] as string)
  await captureLater()
  expect(newBytes()).toBeGreaterThan(400_000)
  expect(newBytes()).toBeLessThan(500_000)
  expect(await node.differences()).toEqual([])
})

test('a commit that is refused tells what is missing, and no more is stored again', async () => {
  writeFileSync(node.at('ws/blob'), noise(400_000))
  await captureLater()
  const [lost] = packsOf('bulk')
  let commits = 0
  node.hub.beforeCommit = () => {
    if (++commits === 1) node.hub.packs.delete(lost as string)
  }
  const before = node.hub.bytesUp
  await captureLater()
  expect(commits).toBe(2)
  expect(packsOf('bulk')).not.toContain(lost)
  expect(node.hub.bytesUp - before).toBeLessThan(500_000)
  expect(await node.differences()).toEqual([])
})

test('what lives in a pack that is mostly dead is stored again', async () => {
  for (let i = 0; i < 40; i++) writeFileSync(node.at(`ws/blob-${i}`), noise(100_000))
  await captureLater()
  const [dead] = packsOf('bulk')
  for (let i = 1; i < 40; i++) rmSync(node.at(`ws/blob-${i}`))
  await captureLater()
  expect(packsOf('bulk')).toEqual([dead])
  await captureLater()
  expect(packsOf('bulk')).not.toContain(dead)
  expect(newBytes()).toBeLessThan(150_000)
  expect(await node.differences()).toEqual([])
  const manifest = await readManifest(node.packs())
  expect(manifest.entries.map(nameOf)).toContain('workspace:main:blob-0')
})
