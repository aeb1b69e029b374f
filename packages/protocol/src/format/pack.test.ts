import { expect, test } from 'vitest'
import { zstdCompressSync } from 'node:zlib'
import { concat, hex, utf8 } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { PackClass } from '../manifest.ts'
import { browserPrimitives } from '../primitives/browser.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { createVault } from '../vault.ts'
import { PACK_MAX_SEGMENTS, SEGMENT_MAX_BYTES } from './limits.ts'
import { type PackOpener, openPack } from './open-pack.ts'
import { PACK_MAGIC, PackWriter, type Run, padme, startRun, u32 } from './pack.ts'

const vault = createVault(p)
const node = '11'.repeat(16)
const byVault = { sealing: vault.sealing, node }
const newRun = (of: Partial<Pick<Run, 'node' | 'epoch'>> = {}) =>
  startRun(p, { vault: vault.id, epoch: 1, sealing: vault.sealing.public, node, ...of })

const plain = [
  utf8('a first segment '.repeat(20)),
  p.random(100),
  utf8('the last, which is as it is'),
]

function packOf(run: Run, packClass: PackClass = 'state') {
  const writer = new PackWriter(p, run, packClass)
  const [first, second, third] = plain as [Uint8Array, Uint8Array, Uint8Array]
  writer.add({ stored: zstdCompressSync(first), plainBytes: first.length, zstd: true })
  writer.add({ stored: second, plainBytes: second.length, zstd: false })
  writer.add({ stored: third, plainBytes: third.length, zstd: false })
  return writer.finish()
}

async function readAll(bytes: Uint8Array, opener: PackOpener, primitives = p) {
  const pack = await openPack(primitives, bytes, opener)
  return Promise.all(pack.segments.map((_, number) => pack.segment(number)))
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'opened',
    (error: unknown) => {
      if (error instanceof OcmError) return error.code
      throw error
    },
  )

test('what was written is read with the pack key and with the vault, on both platforms', async () => {
  const pack = packOf(newRun())
  const texts = plain.map(hex)
  for (const primitives of [p, browserPrimitives]) {
    for (const opener of [{ packKey: pack.key }, byVault]) {
      expect((await readAll(pack.bytes, opener, primitives)).map(hex)).toEqual(texts)
    }
  }
  expect(pack.id).toBe(hex(p.sha256(pack.bytes)))
})

test('a pack is read by ranges, without more of it than is asked for', async () => {
  const pack = packOf(newRun())
  let fetched = 0
  const ranges = {
    bytes: pack.bytes.length,
    read: (offset: number, length: number) => {
      fetched += length
      return Promise.resolve(pack.bytes.subarray(offset, offset + length))
    },
  }
  const open = await openPack(p, ranges, { packKey: pack.key })
  expect(open.segments).toEqual(plain.map((bytes) => bytes.length))
  fetched = 0
  expect(hex(await open.segment(1))).toBe(hex(plain[1] as Uint8Array))
  expect(fetched).toBe(116)
})

test('the hub reads of a pack whose it is, and not where its segments end', async () => {
  const pack = packOf(newRun())
  const open = await openPack(p, pack.bytes, { packKey: pack.key })
  const { salt, runKey, ...clear } = open.header
  expect(clear).toMatchObject({ vault: vault.id, epoch: 1, node, class: 'state', suite: 1, v: 1 })
  expect(salt.length).toBe(32)
  expect(hex(runKey)).not.toContain(hex(pack.key))
})

test('every flipped byte is noticed', async () => {
  const pack = packOf(newRun())
  for (const opener of [{ packKey: pack.key }, byVault]) {
    for (let at = 0; at < pack.bytes.length; at++) {
      for (const bit of [1, 0x80]) {
        const changed = pack.bytes.slice()
        changed[at] = (changed[at] as number) ^ bit
        const code = await codeOf(readAll(changed, opener))
        expect(code, `byte ${at}`).toBe('pack-damaged')
      }
    }
  }
})

test('every truncation and everything appended is noticed', async () => {
  const pack = packOf(newRun())
  const opener = { packKey: pack.key }
  for (let length = 0; length < pack.bytes.length; length++) {
    const code = await codeOf(readAll(pack.bytes.subarray(0, length), opener))
    expect(code, `length ${length}`).toBe('pack-damaged')
  }
  for (const more of [0, 1, 4, 16]) {
    const longer = new Uint8Array(pack.bytes.length + 1 + more)
    longer.set(pack.bytes)
    expect(await codeOf(readAll(longer, opener))).toBe('pack-damaged')
  }
})

test('segments that change places are noticed, even if they are of one length', async () => {
  const writer = new PackWriter(p, newRun(), 'bulk')
  writer.add({ stored: p.random(500), plainBytes: 500, zstd: false })
  writer.add({ stored: p.random(500), plainBytes: 500, zstd: false })
  const pack = writer.finish()
  const head = PACK_MAGIC.length + 4 + new DataView(pack.bytes.buffer).getUint32(PACK_MAGIC.length)
  const swapped = pack.bytes.slice()
  swapped.set(pack.bytes.subarray(head, head + 516), head + 516)
  swapped.set(pack.bytes.subarray(head + 516, head + 1032), head)
  expect(await codeOf(readAll(pack.bytes, { packKey: pack.key }))).toBe('opened')
  expect(await codeOf(readAll(swapped, { packKey: pack.key }))).toBe('pack-damaged')
})

test('a footer of another pack of the same run does not fit', async () => {
  const run = newRun()
  const [one, other] = [packOf(run), packOf(run)]
  const footerBytes = new DataView(one.bytes.buffer).getUint32(one.bytes.length - 4) + 4
  const mixed = one.bytes.slice()
  mixed.set(other.bytes.subarray(other.bytes.length - footerBytes), mixed.length - footerBytes)
  expect(await codeOf(readAll(mixed, { packKey: one.key }))).toBe('pack-damaged')
  expect(await codeOf(readAll(mixed, byVault))).toBe('pack-damaged')
})

test.each<[string, (run: Run) => Run]>([
  ['node', (run) => ({ ...run, node: '22'.repeat(16) })],
  ['run', (run) => ({ ...run, id: '33'.repeat(16) })],
  ['epoch', (run) => ({ ...run, epoch: 2 })],
  ['vault', (run) => ({ ...run, vault: '44'.repeat(16) })],
])('a pack that claims another %s does not open', async (_, claim) => {
  const pack = packOf(claim(newRun()))
  expect(await codeOf(readAll(pack.bytes, byVault))).toBe('pack-damaged')
})

test('a pack of another node does not open, whoever refers to it', async () => {
  const foreign = packOf(newRun({ node: '22'.repeat(16) }))
  expect(await codeOf(readAll(foreign.bytes, byVault))).toBe('pack-damaged')
  expect(await codeOf(readAll(foreign.bytes, { ...byVault, node: '22'.repeat(16) }))).toBe('opened')
})

test('a compressed secret is refused', async () => {
  const pack = packOf(newRun(), 'secret')
  for (const opener of [{ packKey: pack.key }, byVault]) {
    expect(await codeOf(readAll(pack.bytes, opener))).toBe('pack-damaged')
  }
})

test('a key opens its pack and no other of the run, of another class or of the same', async () => {
  const run = newRun()
  const [secret, state, state2] = [packOf(run, 'secret'), packOf(run), packOf(run)]
  for (const other of [secret, state2]) {
    expect(await codeOf(readAll(other.bytes, { packKey: state.key }))).toBe('pack-damaged')
  }
})

test('a pack is refused that is not the one a manifest speaks of', async () => {
  const run = newRun()
  const [one, other] = [packOf(run), packOf(run)]
  const opener = byVault
  expect(await codeOf(openPack(p, other.bytes, opener, { id: one.id }))).toBe('pack-damaged')
  expect(await codeOf(openPack(p, other.bytes, opener, { header: one.header }))).toBe(
    'pack-damaged',
  )
  expect(await codeOf(openPack(p, one.bytes, opener, one))).toBe('opened')
})

test('another vault opens nothing', async () => {
  const pack = packOf(newRun())
  expect(await codeOf(readAll(pack.bytes, { ...byVault, sealing: createVault(p).sealing }))).toBe(
    'pack-damaged',
  )
})

test('a pack of a later format is told from a damaged one', async () => {
  const later = packOf(newRun()).bytes.slice()
  later[7] = '2'.charCodeAt(0)
  expect(await codeOf(readAll(later, byVault))).toBe('version-unsupported')
})

test('a segment that unpacks to more than was declared is refused', async () => {
  const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024))
  const writer = new PackWriter(p, newRun(), 'bulk')
  writer.add({ stored: bomb, plainBytes: SEGMENT_MAX_BYTES, zstd: true })
  const pack = writer.finish()
  for (const primitives of [p, browserPrimitives]) {
    const code = await codeOf(readAll(pack.bytes, { packKey: pack.key }, primitives))
    expect(code).toBe('pack-damaged')
  }
})

test('the writer refuses what no reader would take', () => {
  const writer = new PackWriter(p, newRun(), 'bulk')
  const bytes = new Uint8Array(SEGMENT_MAX_BYTES + 1)
  expect(() => writer.add({ stored: bytes, plainBytes: bytes.length, zstd: false })).toThrow(
    OcmError,
  )
  expect(() => writer.add({ stored: new Uint8Array(0), plainBytes: 0, zstd: false })).toThrow(
    OcmError,
  )
  expect(() => writer.add({ stored: new Uint8Array(9), plainBytes: 8, zstd: false })).toThrow(
    OcmError,
  )
})

test('a pack of very small segments is full in time', () => {
  const writer = new PackWriter(p, newRun(), 'bulk')
  const one = { stored: new Uint8Array(1), plainBytes: 1, zstd: false }
  while (!writer.isFull) writer.add(one)
  expect(writer.segments).toBe(PACK_MAX_SEGMENTS)
  expect(() => writer.add(one)).toThrow(OcmError)
})

test('padding costs an eighth at most and leaves few lengths', () => {
  const lengths = new Set<number>()
  for (let length = 1; length <= 20_000; length++) {
    const padded = padme(length)
    expect(padded).toBeGreaterThanOrEqual(length)
    expect(padded).toBeLessThanOrEqual(length * 1.12 + 1)
    lengths.add(padded)
  }
  expect(lengths.size).toBeLessThan(150)
  expect([1, 8, 9, 100, 1000, 65_537].map(padme)).toEqual([1, 8, 10, 104, 1024, 67_584])
})

test('numbers are written with the highest byte first', () => {
  expect(hex(u32(0x01020304))).toBe('01020304')
})

test('a compressed segment that is shorter than declared, or more than one frame, is refused', async () => {
  const text = utf8('what is compressed '.repeat(100))
  const short = { stored: zstdCompressSync(text), plainBytes: text.length + 1, zstd: true }
  const frames = concat(zstdCompressSync(text), zstdCompressSync(text))
  const twice = { stored: frames, plainBytes: text.length, zstd: true }
  for (const segment of [short, twice]) {
    const writer = new PackWriter(p, newRun(), 'bulk')
    writer.add(segment)
    const pack = writer.finish()
    const code = await codeOf(readAll(pack.bytes, { packKey: pack.key }, browserPrimitives))
    expect(code).toBe('pack-damaged')
  }
})

test.each([1, 255, 256, 257, 65_791, 65_792, 300_000, SEGMENT_MAX_BYTES])(
  'both platforms unpack a segment of %i bytes alike',
  (length) => {
    const text = new Uint8Array(length).map((_, i) => (i * i) % 251)
    const stored = zstdCompressSync(text)
    expect(hex(browserPrimitives.unzstd(stored, length))).toBe(hex(text))
    expect(hex(p.unzstd(stored, length))).toBe(hex(text))
  },
)
