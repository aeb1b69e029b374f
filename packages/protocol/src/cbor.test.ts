import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import { expect, test } from 'vitest'
import { equal, fromHex, hex } from './bytes.ts'
import { fromCbor, toCbor } from './cbor.ts'

/** Decoded loosely and encoded again: what is not the same was not deterministic. */
function slowly(bytes: Uint8Array): unknown {
  const value: unknown = decode(bytes, {
    strict: true,
    allowIndefinite: false,
    allowBigInt: false,
    allowUndefined: false,
    rejectDuplicateMapKeys: true,
  })
  if (!equal(encode(value, rfc8949EncodeOptions), bytes)) throw new TypeError('not deterministic')
  return value
}

const refuses = (work: () => unknown): boolean => {
  try {
    work()
    return false
  } catch {
    return true
  }
}

/** Park and Miller: the same numbers each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}

function anyValue(random: () => number, depth = 0): unknown {
  const below = (n: number) => Math.floor(random() * n)
  const text = () =>
    Array.from({ length: below(30) }, () =>
      String.fromCodePoint(random() < 0.8 ? 32 + below(95) : below(0xd7ff)),
    ).join('')
  switch (below(depth > 3 ? 8 : 10)) {
    case 0:
      return below(2 ** (1 + below(50)))
    case 1:
      return -below(2 ** (1 + below(50))) - 1
    case 2:
      return Uint8Array.from({ length: below(40) }, () => below(256))
    case 3:
      return text()
    case 4:
      return [true, false, null][below(3)]
    case 5:
      return random() * 2 ** (below(80) - 40)
    case 6:
      return [0.5, -1.5, 2 ** -24, 2 ** -25, 65_504.5, 1e300, 2 ** 60, 1 / 3, Math.fround(1 / 3)][
        below(9)
      ]
    case 7:
      return [Infinity, -Infinity, NaN, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER][below(5)]
    case 8:
      return Array.from({ length: below(6) }, () => anyValue(random, depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: below(6) }, () => [text(), anyValue(random, depth + 1)]),
      )
  }
}

test('decodes what was encoded', () => {
  const random = numbers(7)
  for (let i = 0; i < 3000; i++) {
    const bytes = toCbor(anyValue(random))
    expect(fromCbor(bytes, 'value')).toEqual(slowly(bytes))
  }
})

test('refuses exactly what would not have been encoded so', () => {
  const random = numbers(11)
  let refused = 0
  const taken: Uint8Array[] = []
  for (let i = 0; i < 8000; i++) {
    const bytes = toCbor(anyValue(random)).slice()
    const flips = 1 + Math.floor(random() * 2)
    for (let n = 0; n < flips; n++) {
      const at = Math.floor(random() * bytes.length)
      bytes[at] = ((bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))) & 255
    }
    const mine = refuses(() => fromCbor(bytes, 'value'))
    if (mine !== refuses(() => slowly(bytes))) throw new Error(`differs: ${hex(bytes)}`)
    if (mine) refused += 1
    else taken.push(bytes)
  }
  for (const bytes of taken) expect(fromCbor(bytes, 'value')).toEqual(slowly(bytes))
  expect(refused).toBeGreaterThan(1000)
})

test.each([
  ['a number in a longer form', '1817'],
  ['a length in a longer form', '580161'],
  ['an indefinite text', '7f6161ff'],
  ['keys out of order', 'a2616200616100'],
  ['a longer key before a shorter one', 'a262616100616200'],
  ['a key twice', 'a2616100616100'],
  ['a key that is a number', 'a10000'],
  ['a whole number as a float', 'f93c00'],
  ['minus zero', 'f98000'],
  ['a half as a double', 'fb3fe0000000000000'],
  ['another NaN', 'f97e01'],
  ['undefined', 'f7'],
  ['a tag', 'c000'],
  ['an integer beyond those that are exact', '1b0020000000000000'],
  ['text that is not UTF-8', '61ff'],
  ['a surrogate', '63eda080'],
  ['an end too early', '4261'],
  ['a list of more than there is', '9affffffff00'],
  ['bytes behind the end', '0000'],
  ['nothing', ''],
])('refuses %s', (_what, text) => {
  expect(() => fromCbor(fromHex(text), 'value')).toThrow(
    expect.objectContaining({ code: 'malformed' }),
  )
})

test('refuses a tower that would end the stack', () => {
  const bytes = new Uint8Array(100_000).fill(0x81)
  expect(() => fromCbor(bytes, 'value')).toThrow(expect.objectContaining({ code: 'malformed' }))
})

test('answers bytes of their own, also out of memory that others write to', () => {
  const shared = Buffer.from(toCbor({ a: new Uint8Array([1, 2, 3]) }))
  const { a } = fromCbor(shared, 'value') as { a: Uint8Array }
  shared.fill(0)
  expect(a).toEqual(new Uint8Array([1, 2, 3]))
})
