/**
 * Deterministic CBOR (RFC 8949 section 4.2), the one encoding of everything that is signed or stored.
 * Decoding refuses what encoding would not have written: indefinite lengths, unsorted or repeated keys,
 * numbers in a longer form than needed, `undefined`, tags and bytes after the end.
 */
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import { OcmError } from './errors.ts'
import { equal } from './bytes.ts'

export function toCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions)
}

/**
 * @param what names the thing for the error's facts, without content.
 * @throws OcmError 'malformed'
 */
export function fromCbor(bytes: Uint8Array, what: string): unknown {
  let value: unknown
  try {
    value = decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowBigInt: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    })
  } catch (cause) {
    throw new OcmError('malformed', { what }, { cause })
  }
  if (!equal(toCbor(value), bytes)) throw new OcmError('malformed', { what })
  return value
}
