import { expect, test } from 'vitest'
import { hex } from '../bytes.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import {
  CUT_WINDOW_BYTES,
  cutAfter,
  databaseExtentBytes,
  extentKeys,
  isOneExtent,
} from './extent.ts'

const KIB = 1024
const keys = extentKeys(p, new Uint8Array(32).fill(7))

/** Bytes that are random but the same each time. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

function pieces(bytes: Uint8Array, gear = keys.gear): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const end = cutAfter(gear, bytes, at, bytes.length)
    found.push(bytes.subarray(at, end))
    at = end
  }
  return found
}

test('pieces are whole, in order and within their limits', () => {
  const bytes = noise(8 * 1024 * KIB, 1)
  const lengths = pieces(bytes).map((piece) => piece.length)
  expect(lengths.reduce((a, b) => a + b)).toBe(bytes.length)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(256 * KIB)
  expect(Math.min(...lengths.slice(0, -1))).toBeGreaterThan(16 * KIB)
  const mean = bytes.length / lengths.length
  expect(mean).toBeGreaterThan(48 * KIB)
  expect(mean).toBeLessThan(96 * KIB)
})

test('bytes put in at the front change the first pieces only', () => {
  const bytes = noise(4 * 1024 * KIB, 2)
  const longer = new Uint8Array(bytes.length + 777)
  longer.set(noise(777, 3))
  longer.set(bytes, 777)
  const before = new Set(pieces(bytes).map((piece) => hex(p.sha256(piece))))
  const after = pieces(longer).map((piece) => hex(p.sha256(piece)))
  expect(after.filter((id) => !before.has(id)).length).toBeLessThanOrEqual(3)
})

test('where a piece ends does not depend on how much is shown beyond the window', () => {
  const bytes = noise(1024 * KIB, 4)
  expect(cutAfter(keys.gear, bytes, 0, CUT_WINDOW_BYTES)).toBe(
    cutAfter(keys.gear, bytes, 0, bytes.length),
  )
})

test('equal contents have nothing in common between nodes or classes', () => {
  const sha256 = p.sha256(noise(100, 5))
  const other = extentKeys(p, new Uint8Array(32).fill(8))
  const ids = [
    keys.idOf('state', sha256),
    keys.idOf('bulk', sha256),
    keys.idOf('tree', sha256),
    other.idOf('state', sha256),
    sha256,
  ].map(hex)
  expect(new Set(ids).size).toBe(5)
  expect(hex(extentKeys(p, new Uint8Array(32).fill(7)).idOf('state', sha256))).toBe(ids[0])
  const bytes = noise(2048 * KIB, 6)
  const lengths = (gear: Int32Array) => pieces(bytes, gear).map((piece) => piece.length)
  expect(lengths(keys.gear)).not.toEqual(lengths(other.gear))
})

test.each([
  [0, true],
  [256 * KIB, true],
  [256 * KIB + 1, false],
])('a file of %i bytes is one extent: %s', (bytes, one) => {
  expect(isOneExtent(bytes)).toBe(one)
})

test('databases are cut into pages of 16 KiB, very large ones of 64', () => {
  expect(databaseExtentBytes(100)).toBe(16 * KIB)
  expect(databaseExtentBytes(4 * 1024 * 1024 * KIB)).toBe(16 * KIB)
  expect(databaseExtentBytes(4 * 1024 * 1024 * KIB + 1)).toBe(64 * KIB)
})

test('cuts stay where they were: a change would store every large file again', () => {
  expect(pieces(noise(600 * KIB, 9)).map((piece) => piece.length)).toMatchInlineSnapshot(`
    [
      91003,
      54128,
      68222,
      81748,
      69574,
      101074,
      71080,
      77571,
    ]
  `)
})
