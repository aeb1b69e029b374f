/** Captures that several threads read for. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Entry, OcmError, hex, readManifest } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { capture } from './capture.ts'
import { SmallNode, contentOf, nameOf, newJob, noise, placed } from './testing/node.ts'

let node: SmallNode
beforeEach(async () => {
  node = await SmallNode.create()
  node.fill()
})
afterEach(() => node.remove())

const inThreads = (more: Parameters<SmallNode['parts']>[0] = {}) =>
  capture(node.parts({ threads: 2, ...more }), { job: newJob(), trigger: 'manual' })

test('everything is read back as it lies on the disk, and stored once', async () => {
  for (let i = 0; i < 600; i++) writeFileSync(node.at(`ws/file-${i}`), `the file ${i}\n`)
  await inThreads()
  expect(await node.differences()).toEqual([])
  await inThreads()
  expect(node.hub.newest.metrics.newBytes).toBeLessThan(100_000)
  expect(await node.differences()).toEqual([])
}, 60_000)

test('more than may wait in memory is sent pack by pack', async () => {
  for (let i = 0; i < 5; i++) writeFileSync(node.at(`ws/blob-${i}`), noise(17_000_000))
  await inThreads()
  expect(await node.differences()).toEqual([])
}, 120_000)

const threads = () => process.getActiveResourcesInfo().filter((one) => one === 'MessagePort').length

test('a hub that fails ends all threads, and the next run is whole', async () => {
  for (let i = 0; i < 5; i++) writeFileSync(node.at(`ws/blob-${i}`), noise(17_000_000))
  node.hub.beforePut = (puts) => {
    if (puts === 2) throw new OcmError('link-lost')
  }
  const before = threads()
  const lost = expect.objectContaining({ code: 'link-lost' })
  await expect(inThreads()).rejects.toEqual(lost)
  expect(threads()).toBeLessThanOrEqual(before)
  node.hub.beforePut = () => undefined
  await inThreads()
  expect(await node.differences()).toEqual([])
}, 120_000)

test('a capture that is cancelled ends its threads', async () => {
  for (let i = 0; i < 3; i++) writeFileSync(node.at(`ws/blob-${i}`), noise(17_000_000))
  const stop = new AbortController()
  node.hub.beforePut = () => stop.abort()
  const cancelled = expect.objectContaining({ code: 'job-cancelled' })
  await expect(inThreads({ signal: stop.signal })).rejects.toEqual(cancelled)
}, 60_000)

/**
 * Writes one letter all over a file again and again: a content of two letters is a torn one. Says of which file it had to
 * wait for a processor in the middle for so long that two reads may rightly agree: it lay there like that.
 */
const WRITER = `
const { appendFileSync, openSync, writeSync } = require('node:fs')
const [waited, ...paths] = process.argv.slice(1)
const files = paths.map((path) => openSync(path, 'r+'))
process.stdout.write('begun')
for (let n = 0; ; n++) {
  const bytes = Buffer.alloc(65536, 97 + (n % 26))
  for (const [name, file] of files.entries()) {
    let last = performance.now()
    for (let at = 0; at < 2_000_000; at += bytes.length) {
      writeSync(file, bytes, 0, bytes.length, at)
      const now = performance.now()
      if (now - last > 15) appendFileSync(waited, name + ' ')
      last = now
    }
  }
}
`

test('a file that another process writes to is whole or marked', async () => {
  mkdirSync(node.at('ws/busy'))
  const paths = Array.from({ length: 4 }, (_, i) => `${node.state}/ws/busy/${i}`)
  for (const path of paths) writeFileSync(path, Buffer.alloc(2_031_616, 97))
  const waited = `${node.state}/../waited`
  const writer = spawn(process.execPath, ['-e', WRITER, waited, ...paths], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(writer.stdout, 'data')
    for (let i = 0; i < 3; i++) {
      writeFileSync(waited, '')
      await inThreads()
      const stood = readFileSync(waited, 'utf8').split(' ')
      const packs = node.packs()
      const { entries } = await readManifest(packs)
      for (const entry of entries.filter((one) => nameOf(one).includes(':busy/'))) {
        if (entry.unstable || stood.includes(nameOf(entry).split('/').at(-1) ?? '')) continue
        expect(new Set(await contentOf(packs, entry)).size).toBe(1)
      }
      expect(node.hub.newest.metrics.unstable).toBeGreaterThan(0)
    }
  } finally {
    writer.kill()
    await once(writer, 'exit')
  }
}, 60_000)

test('a database that is read in parts has the hash of all its pieces', async () => {
  const database = node.database()
  database.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT hex(randomblob(1000)) FROM n`)
  database.close()
  await inThreads()
  const packs = node.packs()
  const { entries } = await readManifest(packs)
  const entry = entries.find(({ kind }) => kind === 'database') as Entry
  expect(entry.size).toBeGreaterThan(33_000_000)
  const content = await contentOf(packs, entry)
  expect(hex(p.sha256(content))).toBe(hex(p.sha256(readFileSync(`${node.state}/main.db`))))
}, 60_000)

/** A database of some megabytes, and what changes some of its pages. */
function fillDatabase(): void {
  const database = node.database()
  database.exec(`PRAGMA journal_mode = DELETE; CREATE TABLE IF NOT EXISTS much (n, x);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO much SELECT i, hex(randomblob(1000)) FROM n`)
  database.close()
}
function write(to: string): void {
  const database = new DatabaseSync(to)
  database.exec('UPDATE much SET x = hex(randomblob(1000)) WHERE n = 7; VACUUM')
  database.close()
}

/** @returns a clock by which that was a while ago. */
async function capturedAndChanged(): Promise<() => number> {
  fillDatabase()
  await inThreads({ now: Date.now })
  fillDatabase()
  await pause(30)
  return () => Date.now() + 10_000
}

/** It was looked at before something in it changed. */
const isNotTheDirectory = (name: string) => name !== 'state:'

const HAPPENS: readonly (readonly [string, () => void])[] = [
  ['stays as it is', () => undefined],
  ['is written to', () => write(join(node.state, 'main.db'))],
  [
    'is replaced',
    () => (
      write(join(node.dir, 'other.db')),
      renameSync(join(node.dir, 'other.db'), node.at('main.db'))
    ),
  ],
]

test.each(
  HAPPENS.flatMap(([what, change]) =>
    (['meanwhile', 'then'] as const).map((when) => [when, what, change] as const),
  ),
)(
  'a database that is read while all else is looked at, and %s %s',
  async (when, _, change) => {
    const now = await capturedAndChanged()
    copyFileSync(join(node.state, 'main.db'), join(node.dir, 'other.db'))
    // After the databases of the last snapshot: at once, or when that one has been read.
    let met = 0
    const installation = node.installation({
      classify: (place) => {
        if (place.path === 'main.db') return placed('gateway')
        met++
        if (when === 'then' && met === 1)
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
        if (met === (when === 'then' ? 8 : 1)) change()
        return placed(place.root === 'state' ? 'gateway' : 'workspaces')
      },
    })
    await inThreads({ now, installation })
    expect(met).toBeGreaterThan(8)
    expect((await node.differences()).filter(isNotTheDirectory)).toEqual([])
    expect(node.hub.newest.metrics.newBytes).toBeGreaterThan(1_000_000)
  },
  60_000,
)

test('a database that goes away while it is read is not in the snapshot', async () => {
  const now = await capturedAndChanged()
  const installation = node.installation({
    classify: (place) => {
      if (place.path !== 'main.db') rmSync(node.at('main.db'), { force: true })
      return placed('gateway')
    },
  })
  await inThreads({ now, installation })
  const { entries } = await readManifest(node.packs())
  expect(entries.filter(({ kind }) => kind === 'database')).toEqual([])
  expect((await node.differences()).filter(isNotTheDirectory)).toEqual([])
}, 60_000)

test('a database is looked into while other things are still being read', async () => {
  for (let i = 0; i < 3; i++) writeFileSync(node.at(`ws/blob-${i}`), noise(17_000_000))
  const events: string[] = []
  node.hub.beforePut = () => void events.push('pack')
  const installation = node.installation({ database: () => void events.push('database') })
  await inThreads({ installation })
  expect(events).toContain('database')
  expect(events.lastIndexOf('pack')).toBeGreaterThan(events.indexOf('database'))
}, 60_000)

const ENDS: readonly (readonly [string, (stop: AbortController) => void])[] = [
  ['job-cancelled', (stop) => stop.abort()],
  [
    'internal',
    () => {
      throw new OcmError('internal', { what: 'planted' })
    },
  ],
]

test.each(ENDS)(
  'what ends with %s while a database is read leaves no thread, and the next run is whole',
  async (code, end) => {
    const now = await capturedAndChanged()
    const before = threads()
    const stop = new AbortController()
    const installation = node.installation({
      classify: (place) => {
        if (place.path !== 'main.db') end(stop)
        return placed('gateway')
      },
    })
    const ending = inThreads({ now, installation, signal: stop.signal })
    await expect(ending).rejects.toEqual(expect.objectContaining({ code }))
    expect(threads()).toBeLessThanOrEqual(before)
    await inThreads({ now })
    expect(await node.differences()).toEqual([])
  },
  60_000,
)

test.each([0, 2])(
  'a failure of what is found in it ends a capture, with %i threads',
  async (count) => {
    const installation = {
      ...node.installation(),
      examine: () => {
        throw new OcmError('internal', { what: 'planted' })
      },
    }
    const failing = inThreads({ installation, threads: count })
    await expect(failing).rejects.toEqual(expect.objectContaining({ code: 'internal' }))
    await inThreads({ threads: count })
    expect(await node.differences()).toEqual([])
  },
  60_000,
)
