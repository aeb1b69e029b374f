/** As much of DER (X.690) as a certificate of our own needs. Each function gives one encoded value. */

const encode = (tag: number, ...contents: readonly Uint8Array[]): Uint8Array => {
  const body = Buffer.concat(contents)
  return Buffer.concat([Uint8Array.of(tag), lengthOf(body.length), body])
}

/** One byte below 128; else the number of bytes that follow, and those. */
function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const bytes = bigEndian(length)
  return Uint8Array.of(0x80 | bytes.length, ...bytes)
}

function bigEndian(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return bytes
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encode(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Uint8Array => encode(0x31, ...parts)
export const octets = (bytes: Uint8Array): Uint8Array => encode(0x04, bytes)
export const bits = (bytes: Uint8Array): Uint8Array => encode(0x03, Uint8Array.of(0), bytes)
/** Of which the last `unused` bits of the last byte do not count. */
export const flags = (byte: number, unused: number): Uint8Array =>
  encode(0x03, Uint8Array.of(unused, byte))
export const yes = encode(0x01, Uint8Array.of(0xff))
export const letters = (value: string): Uint8Array => encode(0x0c, Buffer.from(value))

/** A whole number above nothing, as its bytes; a first byte beyond 127 would make it negative. */
export const integer = (bytes: Uint8Array): Uint8Array => {
  const first = bytes.findIndex((byte) => byte !== 0)
  const trimmed = bytes.subarray(first === -1 ? bytes.length - 1 : first)
  return encode(0x02, Uint8Array.of(...((trimmed[0] ?? 0) > 0x7f ? [0] : [])), trimmed)
}

/** An object identifier, e.g. '2.5.29.17'. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return encode(0x06, Uint8Array.of(first * 40 + second, ...rest.flatMap(base128)))
}

function base128(value: number): number[] {
  const bytes = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift(0x80 | (rest % 128))
  }
  return bytes
}

/** @param at milliseconds since 1970, in 1950 to 9999; the form that a certificate has depends on the year. */
export function time(at: number): Uint8Array {
  const digits = `${new Date(at).toISOString().replace(/\D/g, '').slice(0, 14)}Z`
  return Number(digits.slice(0, 4)) < 2050
    ? encode(0x17, Buffer.from(digits.slice(2)))
    : encode(0x18, Buffer.from(digits))
}

/** `[n]` in place of the tag of what stands there; `made` when it consists of other values. */
export const tagged = (n: number, bytes: Uint8Array, form: 'plain' | 'made' = 'plain') =>
  encode(0x80 | (form === 'made' ? 0x20 : 0) | n, bytes)
