/**
 * Deterministic CBOR (RFC 8949 section 4.2), the one encoding of everything that is signed or stored.
 * Decoding refuses what encoding would not have written: indefinite lengths, unsorted or repeated keys,
 * numbers in a longer form than needed, `undefined`, tags and bytes after the end.
 */
import { decodeCbor } from './cbor-decode.ts'
import { encodeCbor } from './cbor-encode.ts'
import { OcmError } from './errors.ts'

export function toCbor(value: unknown): Uint8Array {
  return encodeCbor(value)
}

/**
 * @param what names the thing for the error's facts, without content.
 * @throws OcmError 'malformed'
 */
export function fromCbor(bytes: Uint8Array, what: string): unknown {
  try {
    return decodeCbor(bytes)
  } catch (cause) {
    throw new OcmError('malformed', { what }, { cause })
  }
}
