import { expect, test } from 'vitest'
import {
  type PackClass,
  createVault,
  extentKeys,
  fromHex,
  hex,
  openPack,
  startRun,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type ExtentIndex, emptyIndex } from '../store/extent-index.ts'
import { type PackedPack, Packing } from './packing.ts'
import { Uploads } from './uploads.ts'

const vault = createVault(p)
const keys = extentKeys(p, new Uint8Array(32).fill(1))

const packingOver = (index: ExtentIndex = emptyIndex()) =>
  new Packing({
    p,
    run: startRun(p, {
      vault: vault.id,
      epoch: 1,
      sealing: vault.sealing.public,
      node: '11'.repeat(16),
    }),
    keys,
    index,
    now: () => 1000,
  })

function finished(packing: Packing): PackedPack[] {
  packing.finish(['secret', 'state', 'bulk', 'tree'])
  const packs: PackedPack[] = []
  for (let pack = packing.take(); pack; pack = packing.take()) packs.push(pack)
  return packs
}

const open = (pack: PackedPack) => openPack(p, pack.bytes, { packKey: pack.key })

test('secrets take steps of 4 KiB, are not compressed, and are stored each time', async () => {
  const packing = packingOver()
  const secret = utf8('KEY=aaaaaaaaaaaaaaaaaaaaaaaa')
  const refs = [secret, secret, new Uint8Array(4097)].map((bytes) => packing.add('secret', bytes))
  const [pack] = finished(packing) as [PackedPack]
  expect((await open(pack)).segments).toEqual([4 * 4096])
  expect(pack.bytes.length).toBeGreaterThan(4 * 4096)
  expect(refs.map(([, , offset]) => offset)).toEqual([0, 4096, 8192])
  expect(pack.extents.size).toBe(0)
  expect(packing.indexAfter().packs).toEqual([])
})

test('what is there already is referred to, in its own class only', () => {
  const extent = p.random(5000)
  const first = packingOver()
  first.add('state', extent)
  first.add('state', extent)
  const [stored] = finished(first) as [PackedPack]
  expect(first.written.newBytes).toBe(5000)
  expect(first.packs()).toMatchObject([{ id: stored.id, liveBytes: 5000 }])

  const second = packingOver(first.indexAfter())
  const refs = [second.add('state', extent), second.add('state', extent)]
  expect(finished(second)).toEqual([])
  expect(second.resolve(refs)).toEqual([
    [fromHex(stored.id), 0, 0, 5000],
    [fromHex(stored.id), 0, 0, 5000],
  ])
  expect(second.packs()).toMatchObject([{ id: stored.id, liveBytes: 5000 }])

  const other = packingOver(first.indexAfter())
  other.add('bulk', extent)
  expect(finished(other).map((pack) => pack.class)).toEqual(['bulk'])
})

test('neighbours are joined in a reference, and no extent is torn between segments', async () => {
  const packing = packingOver()
  const extents = Array.from({ length: 9 }, () => p.random(200_000))
  const refs = extents.map((extent) => packing.add('bulk', extent))
  const [pack] = finished(packing) as [PackedPack]
  expect(packing.resolve(refs)).toEqual([
    [fromHex(pack.id), 0, 0, 1_000_000],
    [fromHex(pack.id), 1, 0, 800_000],
  ])
  const segment = await (await open(pack)).segment(1)
  expect(hex(segment.subarray(0, 200_000))).toBe(hex(extents[5] as Uint8Array))
})

test('packs are closed near their target and can be taken while the run goes on', () => {
  const packing = packingOver()
  const sizes: number[] = []
  for (let i = 0; i < 180; i++) {
    packing.add('bulk', p.random(256 * 1024))
    const pack = packing.take()
    if (pack) sizes.push(pack.bytes.length)
  }
  expect(sizes.length).toBe(2)
  for (const size of sizes) expect(size / 1024 / 1024).toBeCloseTo(16, 1)
})

test('each class has packs of its own', async () => {
  const packing = packingOver()
  const classes: PackClass[] = ['secret', 'state', 'bulk', 'tree']
  for (const packClass of classes) packing.add(packClass, utf8(`of ${packClass}`))
  const packs = finished(packing)
  expect(packs.map((pack) => pack.class)).toEqual(classes)
  for (const pack of packs) {
    const text = Buffer.from(await (await open(pack)).segment(0)).toString()
    expect(text.replaceAll('\0', '')).toBe(`of ${pack.class}`)
  }
})

test('a pack that does not read back does not leave the node', async () => {
  const packing = packingOver()
  packing.add('bulk', p.random(5000))
  const [pack] = finished(packing) as [PackedPack]
  let puts = 0
  const put = () => {
    puts++
    return Promise.resolve()
  }
  const uploads = new Uploads(p, { put }, put)
  const damaged = pack.bytes.slice()
  damaged[1000] = (damaged[1000] as number) ^ 1
  const refused = expect.objectContaining({ code: 'pack-damaged' })
  await expect(uploads.send({ ...pack, bytes: damaged })).rejects.toEqual(refused)
  const samples = pack.samples.map((sample) => ({ ...sample, sha256: p.random(32) }))
  await expect(uploads.send({ ...pack, samples })).rejects.toEqual(refused)
  await uploads.landed()
  expect(puts).toBe(0)
})
