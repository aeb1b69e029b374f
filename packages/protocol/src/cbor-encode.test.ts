import { encode, rfc8949EncodeOptions } from 'cborg'
import { expect, test } from 'vitest'
import { hex } from './bytes.ts'
import { encodeCbor } from './cbor-encode.ts'

const ours = (value: unknown) => hex(encodeCbor(value))
const cborg = (value: unknown) => hex(encode(value, rfc8949EncodeOptions))

const EDGES = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]

test.each([
  ...EDGES.flatMap((n) => [n, -n, -n - 1].filter(Number.isSafeInteger)),
  1.5,
  0.1,
  1_764_000_000_000.125,
  1_764_000_000_000.123,
  -0,
  5e-324,
  3.4e38,
  65_504.5,
  Number.NaN,
  Infinity,
  2 ** 53,
  2 ** 70,
  null,
  true,
  false,
  '',
  'ascii',
  'größe \u{1f980}',
  '\ud800 alone',
  'x'.repeat(23),
  'x'.repeat(24),
  'ü'.repeat(200),
  'x'.repeat(70_000),
  new Uint8Array(0),
  new Uint8Array(100_000).fill(7),
  [],
  {},
])('value %# is written as cborg writes it', (value) => {
  expect(ours(value)).toBe(cborg(value))
})

test.each([
  {
    b: 1,
    a: 2,
    aa: 3,
    '': 4,
    ü: 5,
    zz: 6,
    [`k${'x'.repeat(30)}`]: 7,
    é: 8,
    '\u{1f980}': 9,
    '\uffee': 1,
  },
  { a: 1, b: { d: [1, { f: null, e: '' }], c: new Uint8Array(3) } },
  Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`key ${n}`, n])),
])('keys are in the order of their encodings: %#', (value) => {
  expect(ours(value)).toBe(cborg(value))
})

test('random values are written as cborg writes them', () => {
  let state = 12_345
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  const value = (depth: number): unknown => {
    switch (next(depth > 3 ? 6 : 8)) {
      case 0:
        return next(2 ** 20) * 2 ** next(33)
      case 1:
        return (next(2 ** 20) - 2 ** 19) / (1 + next(1000))
      case 2:
        return String.fromCharCode(...Array.from({ length: next(40) }, () => 32 + next(300)))
      case 3:
        return new Uint8Array(next(50)).fill(next(256))
      case 4:
        return next(2) === 0
      case 5:
        return null
      case 6:
        return Array.from({ length: next(6) }, () => value(depth + 1))
      default:
        return Object.fromEntries(
          Array.from({ length: next(6) }, () => [`k${next(1000)}`, value(depth + 1)]),
        )
    }
  }
  const values = Array.from({ length: 2000 }, () => value(0))
  expect(values.map(ours)).toEqual(values.map(cborg))
})
