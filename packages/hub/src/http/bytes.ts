import { fromBase64url, OcmError } from '@ocm/protocol'

/** Byte strings of a request's body. @throws OcmError 'malformed' */
export function bytesOf(text: string, what: string): Uint8Array {
  try {
    return fromBase64url(text)
  } catch (cause) {
    throw new OcmError('malformed', { what }, { cause })
  }
}
