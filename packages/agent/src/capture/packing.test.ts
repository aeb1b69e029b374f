import { expect, test } from 'vitest'
import {
  type PackClass,
  createVault,
  extentKeys,
  hex,
  openPack,
  startRun,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { ExtentTable } from '../store/extent-table.ts'
import { PackBook } from './pack-book.ts'
import { type PackedPack, Packing } from './packing.ts'
import { readBack } from './read-back.ts'
import { RefList } from '../store/refs.ts'

const vault = createVault(p)
const keys = extentKeys(p, new Uint8Array(32).fill(1))

function packingOver(known = new ExtentTable()) {
  const packs: PackedPack[] = []
  const packing = new Packing({
    p,
    run: startRun(p, {
      vault: vault.id,
      epoch: 1,
      sealing: vault.sealing.public,
      node: '11'.repeat(16),
    }),
    keys,
    known,
    next: new PackBook().next,
    deliver: (pack) => packs.push(pack),
  })
  const add = (packClass: PackClass, ...extents: readonly Uint8Array[]) => {
    const refs = new RefList()
    for (const extent of extents) packing.add(refs, packClass, extent)
    return [...refs.take()]
  }
  const finished = () => {
    packing.finish(['secret', 'state', 'bulk', 'tree'])
    return packs
  }
  return { packing, packs, add, finished }
}

const open = (pack: PackedPack) => openPack(p, pack.bytes, { packKey: pack.key })

test('secrets take steps of 4 KiB, are not compressed, are stored each time and are in no index', async () => {
  const { add, finished } = packingOver()
  const secret = utf8('KEY=aaaaaaaaaaaaaaaaaaaaaaaa')
  const offsets = [secret, secret, new Uint8Array(4097)].map((bytes) => add('secret', bytes)[2])
  const [pack] = finished() as [PackedPack]
  expect((await open(pack)).segments).toEqual([4 * 4096])
  expect(pack.bytes.length).toBeGreaterThan(4 * 4096)
  expect(offsets).toEqual([0, 4096, 8192])
  expect(pack.extents.size).toBe(0)
})

test('what is there already is referred to, in its own class only', () => {
  const extent = p.random(5000)
  const first = packingOver()
  expect(first.add('state', extent)).toEqual([0, 0, 0, 5000])
  expect(first.add('state', extent)).toEqual([0, 0, 0, 5000])
  const [stored] = first.finished() as [PackedPack]
  expect(stored.plainBytes).toBe(5000)

  const known = new ExtentTable()
  known.addAll(stored.extents, () => 7)
  const second = packingOver(known)
  expect(second.add('state', extent)).toEqual([7, 0, 0, 5000])
  expect(second.finished()).toEqual([])

  const other = packingOver(known)
  other.add('bulk', extent)
  expect(other.finished().map((pack) => pack.class)).toEqual(['bulk'])
})

test('neighbours are joined in a reference, and no extent is torn between segments', async () => {
  const { add, finished } = packingOver()
  const extents = Array.from({ length: 9 }, () => p.random(200_000))
  expect(add('bulk', ...extents)).toEqual([0, 0, 0, 1_000_000, 0, 1, 0, 800_000])
  const [pack] = finished() as [PackedPack]
  const segment = await (await open(pack)).segment(1)
  expect(hex(segment.subarray(0, 200_000))).toBe(hex(extents[5] as Uint8Array))
})

test('packs are closed near their target and handed over while the run goes on', () => {
  const { add, packs } = packingOver()
  for (let i = 0; i < 180; i++) add('bulk', p.random(256 * 1024))
  expect(packs.length).toBe(2)
  for (const { bytes } of packs) expect(bytes.length / 1024 / 1024).toBeCloseTo(16, 1)
})

test('each class has packs of its own', async () => {
  const { add, finished } = packingOver()
  const classes: PackClass[] = ['secret', 'state', 'bulk', 'tree']
  for (const packClass of classes) add(packClass, utf8(`of ${packClass}`))
  const packs = finished()
  expect(packs.map((pack) => pack.class)).toEqual(classes)
  expect(new Set(packs.map((pack) => pack.number)).size).toBe(4)
  for (const pack of packs) {
    const text = Buffer.from(await (await open(pack)).segment(0)).toString()
    expect(text.replaceAll('\0', '')).toBe(`of ${pack.class}`)
  }
})

test('a pack that does not read back is not handed over', () => {
  const { add, finished } = packingOver()
  add('bulk', p.random(5000))
  const [pack] = finished() as [PackedPack]
  const right = { segment: 0, sha256: p.sha256(new Uint8Array(0)) }
  const refused = expect.objectContaining({ code: 'pack-damaged' })
  const damaged = pack.bytes.slice()
  damaged[1000] = (damaged[1000] as number) ^ 1
  expect(() => readBack(p, { ...pack, bytes: damaged }, [right])).toThrow(refused)
  expect(() => readBack(p, pack, [right])).toThrow(refused)
})
