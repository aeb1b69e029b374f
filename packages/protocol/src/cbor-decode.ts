/**
 * Decoding deterministic CBOR in one pass. A manifest is a few million items, and decoding it loosely and encoding it
 * again to compare costs three times as much as looking at the form of each item.
 */

/** What was refused; `fromCbor` makes an OcmError of it. */
export class CborError extends Error {}

const refuse = (why: string): never => {
  throw new CborError(why)
}

/** Deeper than anything that is written; a page of nothing but openings would end the stack. */
const MAX_DEPTH = 256

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Texts up to this are put together here: to call the decoder costs more. */
const SHORT_TEXT = 24

/** A power of two. */
const KNOWN_KEYS = 256

/** Of keys whose length, first and last byte come to one place, the last that was met. */
const knownKeys: ({ readonly text: string; readonly bytes: Uint8Array } | undefined)[] = Array.from(
  { length: KNOWN_KEYS },
  () => undefined,
)

/** @throws CborError, TypeError for text that is not UTF-8 */
export function decodeCbor(input: Uint8Array): unknown {
  // A Buffer's `slice` is a view into memory that others write to.
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.length)
  const view = new DataView(input.buffer, input.byteOffset, input.length)
  let at = 0

  /** The number behind an item's first byte, in the shortest form that holds it. */
  function length(info: number): number {
    if (info < 24) return info
    if (info === 24) {
      const value = bytes[at++] ?? refuse('end')
      return value < 24 ? refuse('form') : value
    }
    if (info === 25) {
      const value = view.getUint16(at)
      at += 2
      return value < 0x100 ? refuse('form') : value
    }
    if (info === 26) {
      const value = view.getUint32(at)
      at += 4
      return value < 0x1_0000 ? refuse('form') : value
    }
    if (info !== 27) return refuse('form')
    const high = view.getUint32(at)
    const value = high * 2 ** 32 + view.getUint32(at + 4)
    at += 8
    return high === 0 || value > Number.MAX_SAFE_INTEGER ? refuse('form') : value
  }

  function take(count: number): number {
    const from = at
    at += count
    if (at > bytes.length) refuse('end')
    return from
  }

  function text(count: number): string {
    const from = take(count)
    if (count <= SHORT_TEXT) {
      let short = ''
      let i = from
      for (; i < at; i++) {
        const byte = bytes[i] as number
        if (byte > 0x7f) break
        short += String.fromCharCode(byte)
      }
      if (i === at) return short
    }
    return decoder.decode(bytes.subarray(from, at))
  }

  /** Keys occur again and again: one that is known need not be put together, and an object is faster set by it. */
  function keyText(count: number): string {
    if (count === 0 || count > SHORT_TEXT || at + count > bytes.length) return text(count)
    const last = bytes[at + count - 1] as number
    const place = (count * 37 + (bytes[at] as number) * 5 + last) & (KNOWN_KEYS - 1)
    const known = knownKeys[place]
    if (known !== undefined && isHere(known.bytes, count)) {
      at += count
      return known.text
    }
    const from = at
    const key = text(count)
    knownKeys[place] = { text: key, bytes: bytes.slice(from, at) }
    return key
  }

  function isHere(known: Uint8Array, count: number): boolean {
    if (known.length !== count) return false
    for (let i = 0; i < count; i++) if (known[i] !== bytes[at + i]) return false
    return true
  }

  function map(count: number, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    let before = 0
    let beforeEnd = 0
    for (let i = 0; i < count; i++) {
      const from = at
      const first = bytes[at++] ?? refuse('end')
      if (first >> 5 !== 3) refuse('key')
      const key = keyText(length(first & 31))
      if (i > 0 && !isBefore(before, beforeEnd, from, at)) refuse('order')
      before = from
      beforeEnd = at
      // Somebody's configuration may have such a field: what was written must be read. Set as usual, it would become the
      // object's prototype.
      if (key === '__proto__') setOwn(value, key, item(depth))
      else value[key] = item(depth)
    }
    return value
  }

  /** Whether the encoded key there sorts before the one here. */
  function isBefore(there: number, thereEnd: number, here: number, hereEnd: number): boolean {
    const both = Math.min(thereEnd - there, hereEnd - here)
    for (let i = 0; i < both; i++) {
      const difference = (bytes[there + i] as number) - (bytes[here + i] as number)
      if (difference !== 0) return difference < 0
    }
    return thereEnd - there < hereEnd - here
  }

  function float(info: number): number {
    const value =
      info === 25
        ? half(view.getUint16(at))
        : info === 26
          ? view.getFloat32(at)
          : view.getFloat64(at)
    if (Number.isNaN(value)) {
      if (info !== 25 || view.getUint16(at) !== 0x7e00) refuse('form')
    } else {
      // Whole numbers are written as such, and others in the shortest float that is exact.
      const isShortest =
        info === 25
          ? isHalf(value)
          : !isHalf(value) && (info === 26 || Math.fround(value) !== value)
      if (Number.isSafeInteger(value) || !isShortest) refuse('form')
    }
    at += info === 25 ? 2 : info === 26 ? 4 : 8
    return value
  }

  function item(depth: number): unknown {
    const first = bytes[at++] ?? refuse('end')
    const info = first & 31
    switch (first >> 5) {
      case 0:
        return length(info)
      case 1: {
        const value = -1 - length(info)
        return value < Number.MIN_SAFE_INTEGER ? refuse('form') : value
      }
      case 2:
        return bytes.slice(take(length(info)), at)
      case 3:
        return text(length(info))
      case 4: {
        const count = length(info)
        // Each item takes a byte at least: nothing is allocated on a claim.
        if (count > bytes.length - at || depth >= MAX_DEPTH) refuse('end')
        const values: unknown[] = []
        for (let i = 0; i < count; i++) values.push(item(depth + 1))
        return values
      }
      case 5: {
        const count = length(info)
        if (2 * count > bytes.length - at || depth >= MAX_DEPTH) refuse('end')
        return map(count, depth + 1)
      }
      case 7:
        if (info === 20) return false
        if (info === 21) return true
        if (info === 22) return null
        if (info >= 25 && info <= 27) return float(info)
        return refuse('kind')
      default:
        return refuse('kind')
    }
  }

  const value = item(0)
  if (at !== bytes.length) refuse('end')
  return value
}

const setOwn = (object: object, key: string, value: unknown) =>
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  })

/** A half-precision float (RFC 8949, appendix D). */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : (fraction + 1024) * 2 ** (exponent - 25)
  return bits & 0x8000 ? -size : size
}

/**
 * Whether it is written as a half-precision float: when one holds it exactly. Of those below the smallest normal one the
 * encoder takes the powers of two only, and writes the others as single-precision floats.
 */
function isHalf(value: number): boolean {
  const size = Math.abs(value)
  if (size === Infinity) return true
  if (size > 65_504 || size < 2 ** -24) return false
  const exponent = Math.floor(Math.log2(size))
  if (size < 2 ** -14) return size === 2 ** exponent
  return Number.isInteger(size / 2 ** (exponent - 10))
}
