/**
 * Deterministic CBOR in one pass, into one growing buffer: a manifest of a large node is some ten megabytes of it. What
 * occurs in our shapes is written here; anything else is left to cborg, which writes the same bytes.
 */
import { encode, rfc8949EncodeOptions } from 'cborg'
import { utf8 } from './bytes.ts'

export function encodeCbor(value: unknown): Uint8Array {
  length = 0
  write(value)
  return scratch.slice(0, length)
}

const FIRST_BYTES = 64 * 1024

let scratch = new Uint8Array(FIRST_BYTES)
let view = new DataView(scratch.buffer)
let length = 0

function room(bytes: number): void {
  if (length + bytes <= scratch.length) return
  const larger = new Uint8Array(Math.max(scratch.length * 2, length + bytes))
  larger.set(scratch)
  scratch = larger
  view = new DataView(larger.buffer)
}

const UINT = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5

function head(major: number, value: number): void {
  room(9)
  const type = major << 5
  if (value < 24) scratch[length++] = type | value
  else if (value < 0x100) {
    scratch[length++] = type | 24
    scratch[length++] = value
  } else if (value < 0x1_0000) {
    scratch[length++] = type | 25
    view.setUint16(length, value)
    length += 2
  } else if (value < 0x1_0000_0000) {
    scratch[length++] = type | 26
    view.setUint32(length, value)
    length += 4
  } else {
    scratch[length++] = type | 27
    view.setUint32(length, Math.floor(value / 0x1_0000_0000))
    view.setUint32(length + 4, value % 0x1_0000_0000)
    length += 8
  }
}

function write(value: unknown): void {
  switch (typeof value) {
    case 'number':
      writeNumber(value)
      return
    case 'string':
      writeText(value)
      return
    case 'boolean':
      room(1)
      scratch[length++] = value ? 0xf5 : 0xf4
      return
    case 'object':
      if (value === null) {
        room(1)
        scratch[length++] = 0xf6
      } else if (value instanceof Uint8Array) {
        head(BYTES, value.length)
        put(value)
      } else if (Array.isArray(value)) {
        head(ARRAY, value.length)
        for (const item of value as readonly unknown[]) write(item)
      } else if (Object.getPrototypeOf(value) === Object.prototype) {
        writeMap(value as Readonly<Record<string, unknown>>)
      } else leave(value)
      return
    default:
      leave(value)
  }
}

const leave = (value: unknown): void => put(encode(value, rfc8949EncodeOptions))

function put(bytes: Uint8Array): void {
  room(bytes.length)
  scratch.set(bytes, length)
  length += bytes.length
}

function writeNumber(value: number): void {
  if (Number.isSafeInteger(value)) {
    if (value >= 0) head(UINT, value)
    else head(NEGATIVE, -1 - value)
  } else if (Number.isFinite(value) && Math.fround(value) !== value) {
    // No shorter float holds it.
    room(9)
    scratch[length++] = 0xfb
    view.setFloat64(length, value)
    length += 8
  } else leave(value)
}

/** Texts up to this are most of all texts, and mostly ASCII. */
const SHORT = 128

function writeText(text: string): void {
  if (text.length <= SHORT) {
    const from = length
    head(TEXT, text.length)
    room(text.length)
    let at = 0
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code > 0x7f) break
      scratch[length + at] = code
    }
    if (at === text.length) {
      length += at
      return
    }
    length = from
  }
  if (!text.isWellFormed()) {
    leave(text)
    return
  }
  const bytes = utf8(text)
  head(TEXT, bytes.length)
  put(bytes)
}

function writeMap(map: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(map)
  head(MAP, keys.length)
  for (const key of sorted(keys)) {
    writeText(key)
    write(map[key])
  }
}

/** Bytewise by their encodings: shorter ones first. Objects of one shape come by the thousand. */
function sorted(keys: readonly string[]): readonly string[] {
  if (keys.length < 2) return keys
  const shape = keys.join('\0')
  const known = orders.get(shape)
  if (known) return known
  const bytes = new Map(keys.map((key) => [key, utf8(key)]))
  const order = keys.toSorted((a, b) => compare(bytes.get(a), bytes.get(b)))
  if (orders.size >= KEPT_ORDERS) orders.clear()
  orders.set(shape, order)
  return order
}

const KEPT_ORDERS = 256
const orders = new Map<string, readonly string[]>()

const NONE: Uint8Array = new Uint8Array(0)

function compare(a: Uint8Array = NONE, b: Uint8Array = NONE): number {
  if (a.length !== b.length) return a.length - b.length
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] as number) - (b[at] as number)
    if (difference !== 0) return difference
  }
  return 0
}
