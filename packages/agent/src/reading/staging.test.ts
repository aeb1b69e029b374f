import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Entry, pathToBytes, utf8 } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkEntries } from './entries.ts'
import { FileWriter } from './file-writer.ts'
import type { FileSpot } from './orders.ts'
import { stageTrees } from './staging.ts'
import { type StoredTree, type Thing, randomTree } from './testing/stored-tree.ts'
import type { PackSource } from './write-files.ts'

let dir = ''
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-staging-')))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

const entry = (kind: Entry['kind'], more: Partial<Entry> = {}): Entry => ({
  root: 'state',
  path: utf8(''),
  kind,
  section: 'gateway',
  travel: 'always',
  mode: 0o644,
  modifiedAt: 1_700_000_000_000,
  size: 0,
  ...more,
})
const empty = entry('file', { sha256: p.sha256(), extents: [] })
const nothing: PackSource = {
  packs: [],
  openerOf: () => undefined,
  fetch: () => Promise.reject(new TypeError('nothing is to be fetched')),
}

const spot = (path: string): FileSpot => ({
  file: 0,
  top: 0,
  path,
  size: 0,
  isDatabase: false,
  mode: 0o600,
  modifiedAt: 0,
})
const make = (writer: FileWriter, path: string) =>
  writer.carryOut({ kind: 'create', files: [spot(path)] })

test('refuses names that lead elsewhere, and things below a file or a link, before anything is written', () => {
  const bad = ['../x', 'a/../x', '/etc', 'a//b', 'a/.', 'a\0b', 'x'.repeat(256)]
  for (const path of bad) {
    expect(() => checkEntries([{ path, entry: empty }])).toThrow(/manifest/)
  }
  const twice = { path: 'a', entry: empty }
  expect(() => checkEntries([twice, twice])).toThrow(/manifest/)
  for (const kind of ['file', 'link'] as const) {
    for (const path of ['a', '']) {
      const above = { path, entry: entry(kind, { target: utf8('/etc') }) }
      expect(() => checkEntries([above, { path: 'a/b', entry: empty }])).toThrow(/manifest/)
    }
  }
})

test('a tree may be a single file, which only its owner may read until it is sealed', async () => {
  const root = join(dir, 'secrets.json.stage')
  const staging = stageTrees(p, [{ root, items: [{ path: '', entry: empty }] }])
  await staging.write(nothing)
  expect(lstatSync(root).mode & 0o777).toBe(0o600)
  await staging.seal()
  await staging.end()
  expect(lstatSync(root).mode & 0o777).toBe(0o644)
})

test('what was changed before it is sealed gets its permissions and time back', async () => {
  const root = join(dir, 'stage')
  const items = [
    { path: 'shut', entry: entry('directory', { mode: 0o555 }) },
    { path: 'shut/a', entry: empty },
    { path: 'b', entry: empty },
    { path: 'gone', entry: empty },
  ]
  const staging = stageTrees(p, [{ root, items }])
  await staging.write(nothing)
  writeFileSync(join(root, 'b'), 'changed', { mode: 0o600 })
  writeFileSync(join(root, 'shut/added'), '')
  rmSync(join(root, 'gone'))
  const seen = await staging.seal()
  await staging.end()
  expect([...seen.keys()]).toEqual([items[1]?.entry])
  const stat = lstatSync(join(root, 'b'))
  expect([stat.mode & 0o777, stat.mtimeMs]).toEqual([0o644, 1_700_000_000_000])
  expect(lstatSync(join(root, 'shut')).mode & 0o777).toBe(0o555)
})

test('a directory that becomes a link meanwhile does not lead a write out of the tree', () => {
  const outside = join(dir, 'outside')
  mkdirSync(outside)
  mkdirSync(join(dir, 'stage'))
  const writer = new FileWriter(p, [dir])
  make(writer, 'stage/a/one')
  renameSync(join(dir, 'stage/a'), join(dir, 'stage/was'))
  symlinkSync(outside, join(dir, 'stage/a'))
  make(writer, 'stage/a/two')
  const other = new FileWriter(p, [dir])
  expect(() => make(other, 'stage/a/three')).toThrow(/ELOOP|ENOTDIR/)
  expect(() => make(other, 'stage/a/b/four')).toThrow(/ELOOP|ENOTDIR/)
  writer.close()
  other.close()
  expect(readdirSync(outside)).toEqual([])
  expect(readdirSync(join(dir, 'stage/was')).toSorted()).toEqual(['one', 'two'])
})

/** Makes a directory a link and a directory again, as fast as it can; what is made in between goes out of the way. */
const FLIPPING = `
  const fs = require('node:fs')
  const { workerData: { at, aside, link, stop } } = require('node:worker_threads')
  const flag = new Int32Array(stop)
  let away = 0
  const move = (from, to) => {
    try {
      fs.renameSync(from, to)
    } catch {
      fs.renameSync(to, aside + '-' + away++)
      fs.renameSync(from, to)
    }
  }
  while (Atomics.load(flag, 0) === 0) {
    move(at, aside)
    move(link, at)
    Atomics.add(flag, 1, 1)
    move(at, link)
    move(aside, at)
  }`

test('whoever swaps a directory for a link all the time gets no file out of the tree', async () => {
  const at = join(dir, 'stage/a')
  const outside = join(dir, 'outside')
  mkdirSync(outside)
  mkdirSync(at, { recursive: true })
  const link = join(dir, 'stage/link')
  symlinkSync(outside, link)
  const stop = new SharedArrayBuffer(8)
  const flag = new Int32Array(stop)
  const workerData = { at, aside: join(dir, 'stage/aside'), link, stop }
  const flipping = new Worker(FLIPPING, { eval: true, workerData })
  const gone = new Promise((resolve) => flipping.once('exit', resolve))
  await new Promise((resolve) => flipping.once('online', resolve))
  const refusals = new Set<string>()
  let made = 0
  for (let i = 0; made < 300 || Atomics.load(flag, 1) < 300 || refusals.size === 0; i++) {
    // One that has nothing open has to go through the name.
    const writer = new FileWriter(p, [dir])
    try {
      make(writer, `stage/a/file-${i}`)
      made++
    } catch (error) {
      refusals.add((error as NodeJS.ErrnoException).code ?? String(error))
    } finally {
      writer.close()
    }
  }
  Atomics.store(flag, 0, 1)
  await gone
  expect(readdirSync(outside)).toEqual([])
  // In between there is nothing at all, or what somebody else has made.
  const known = ['ELOOP', 'ENOTDIR', 'ENOENT', 'EEXIST']
  expect([...refusals].filter((code) => !known.includes(code))).toEqual([])
})

test('never writes over what is there already', () => {
  const writer = new FileWriter(p, [dir])
  writeFileSync(join(dir, 'a'), '1')
  expect(() => make(writer, 'a')).toThrow(/EEXIST/)
  writer.close()
  expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('1')
})

test('of a tree that was staged before, what nobody has changed is taken over and the rest is fetched', async () => {
  const tree = severalPacks()
  const first = join(dir, 'first')
  const second = join(dir, 'second')
  const base = stageTrees(p, [{ root: first, items: tree.things }], false)
  await base.write(tree.source)
  const seen = await base.seal()
  await base.end()
  const files = tree.things.filter(({ content }) => content !== undefined && content.length > 0)
  const changed = files.find(({ entry: { mode } }) => (mode & 0o700) === 0o600) as Thing
  const was = lstatSync(onDisk(`${first}/${changed.path}`))
  writeFileSync(onDisk(`${first}/${changed.path}`), Buffer.alloc(was.size, 'x'))

  let asked = 0
  const source: PackSource = {
    ...tree.source,
    fetch: (...range) => {
      asked++
      return tree.source.fetch(...range)
    },
  }
  const items = tree.things.map((thing) => {
    const one = seen.get(thing.entry)
    return one ? { ...thing, twin: { path: `${first}/${thing.path}`, seen: one } } : thing
  })
  const staging = stageTrees(p, [{ root: second, items }], false)
  expect(await staging.write(source)).toEqual([])
  await staging.seal()
  await staging.end()
  for (const { path, content } of files) {
    expect(readFileSync(onDisk(`${second}/${path}`)).equals(content as Uint8Array)).toBe(true)
  }
  const isThere = ({ path }: Thing) =>
    lstatSync(onDisk(`${first}/${path}`), { throwIfNoEntry: false }) !== undefined
  expect(isThere(changed)).toBe(true)
  expect(files.filter((thing) => !isThere(thing)).length).toBeGreaterThan(0)
  expect(asked).toBeGreaterThan(0)
})

const onDisk = (path: string) => Buffer.from(pathToBytes(path))

function severalPacks(): StoredTree {
  for (let seed = 1; ; seed++) {
    const tree = randomTree(seed)
    const writable = tree.things.filter(
      ({ content, entry: { mode } }) => content?.length && (mode & 0o700) === 0o600,
    )
    if (tree.packs.size > 3 && writable.length > 3) return tree
  }
}
