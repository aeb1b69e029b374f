import { appendFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hex } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type IndexedPack, IndexFile, type IndexOwner, isDue } from './extent-index.ts'
import { ExtentTable } from './extent-table.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-index-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const owner: IndexOwner = {
  vault: '11'.repeat(16),
  epoch: 1,
  node: '22'.repeat(16),
  keys: new Uint8Array(8),
}
const packOf = (n: number): IndexedPack => ({
  id: n.toString(16).padStart(2, '0').repeat(32),
  bytes: 100 + n,
  class: 'state',
  header: new Uint8Array(32).fill(n),
  plainBytes: 1000 + n,
  storedAt: 1000,
})
const idOf = (n: number) => p.sha256(Uint8Array.of(n & 255, n >> 8))
const place = (pack: number, n: number) => ({ pack, segment: n % 7, offset: n, length: n + 1 })

/** `count` extents over two packs. */
function indexOf(count: number) {
  const extents = new ExtentTable()
  for (let n = 0; n < count; n++) extents.add(idOf(n), place(n % 2, n))
  return { packs: [packOf(1), packOf(2)], extents }
}
const file = (of: Partial<IndexOwner> = {}) => new IndexFile(p, dir, { ...owner, ...of })
const keep = (index: ReturnType<typeof indexOf>) => file().replace(file().encode(index))

test('an index is found again as it was written', async () => {
  await keep(indexOf(5000))
  const { packs, extents } = await file().load()
  expect(packs).toEqual([packOf(1), packOf(2)])
  expect(extents.size).toBe(5000)
  for (const n of [0, 1, 2500, 4999]) expect(extents.find(idOf(n))).toEqual(place(n % 2, n))
  expect(extents.find(idOf(5000))).toBeUndefined()
})

test('there is an empty index before the first', async () => {
  const { packs, extents } = await file().load()
  expect([packs.length, extents.size]).toEqual([0, 0])
})

test('a damaged byte anywhere, or a missing end, makes it empty', async () => {
  await keep(indexOf(3))
  const path = join(dir, 'index')
  const whole = await readFile(path)
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] as number) ^ 4
    await writeFile(path, changed)
    expect((await file().load()).extents.size, `byte ${at}`).toBe(0)
    await writeFile(path, whole.subarray(0, at))
    expect((await file().load()).extents.size, `length ${at}`).toBe(0)
  }
})

test.each<Partial<IndexOwner>>([
  { vault: '33'.repeat(16) },
  { epoch: 2 },
  { node: '33'.repeat(16) },
  { keys: new Uint8Array(8).fill(1) },
])('an index of another owner is not used: %o', async (other) => {
  await keep(indexOf(3))
  await file().acknowledged(packOf(3), new ExtentTable())
  const { packs, extents } = await file(other).load()
  expect([packs.length, extents.size]).toEqual([0, 0])
})

function oneOf(n: number) {
  const extents = new ExtentTable()
  extents.add(idOf(n), place(0, n))
  return extents
}

test('what was acknowledged counts before there is a commit, and no longer after the next one', async () => {
  await keep(indexOf(3))
  const before = file()
  await before.acknowledged(packOf(7), oneOf(70))
  await before.acknowledged(packOf(8), oneOf(80))
  const { packs, extents } = await file().load()
  expect(packs.map((pack) => pack.bytes)).toEqual([101, 102, 107, 108])
  expect(extents.find(idOf(80))).toEqual(place(3, 80))
  expect(extents.find(idOf(2))).toEqual(place(0, 2))

  await before.replace(before.encode(indexOf(1)))
  expect((await file().load()).extents.size).toBe(1)
  expect(await readdir(dir)).toEqual(['index'])
})

test('a record that was cut is forgotten, and the log goes on behind the last whole one', async () => {
  await file().acknowledged(packOf(7), oneOf(70))
  const whole = await readFile(join(dir, 'index-log'))
  await appendFile(join(dir, 'index-log'), whole.subarray(0, whole.length - 1))
  expect((await file().load()).extents.size).toBe(1)
  const again = file()
  await again.load()
  await again.acknowledged(packOf(8), oneOf(80))
  const { packs, extents } = await file().load()
  expect(packs.map((pack) => pack.bytes)).toEqual([107, 108])
  expect(extents.size).toBe(2)
})

const stays = (n: number) => n % 3 !== 0

test('extents that do not stay are found no more, and all others are, under their new numbers', () => {
  const { extents } = indexOf(5000)
  const kept = extents.keep((pack, _, offset) => (stays(offset) ? pack + 5 : undefined))
  expect(kept.size).toBe(3333)
  for (let n = 0; n < 5000; n++) {
    const found = stays(n) ? { ...place(n % 2, n), pack: (n % 2) + 5 } : undefined
    expect(kept.find(idOf(n))).toEqual(found)
  }
  expect(extents.keep((pack) => pack).find(idOf(0))).toEqual(place(0, 0))
})

test('packs come due between 60 and 90 days, not all at once', () => {
  const day = 86_400_000
  const dueAt = (days: number) =>
    Array.from({ length: 200 }, (_, n) => ({ ...packOf(0), id: hex(idOf(n)) })).filter((pack) =>
      isDue(pack, 1000 + days * day),
    ).length
  expect(dueAt(60)).toBe(0)
  expect(dueAt(75)).toBeGreaterThan(50)
  expect(dueAt(75)).toBeLessThan(150)
  expect(dueAt(90)).toBe(200)
  expect(dueAt(-2)).toBe(200)
})

test('bytes that are no table are none', () => {
  const { extents } = indexOf(5)
  const { bytes } = extents
  expect(ExtentTable.fromBytes(bytes, 2)?.find(idOf(4))).toEqual(place(0, 4))
  // A pack that there is not, too few slots, half a slot, and one in which a search would never end.
  expect(ExtentTable.fromBytes(bytes, 1)).toBeUndefined()
  expect(ExtentTable.fromBytes(bytes.slice(0, 15 * 32), 2)).toBeUndefined()
  expect(ExtentTable.fromBytes(bytes.slice(0, -8), 2)).toBeUndefined()
  expect(ExtentTable.fromBytes(new Uint8Array(32 * 16).fill(1), 0xffff_ffff)).toBeUndefined()
})
