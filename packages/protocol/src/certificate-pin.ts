/**
 * A hub without a certificate that an authority vouches for is known by the SHA-256 of its own certificate's DER: agents
 * learn it from the join string, `ocm` from whoever logs in. It is written the way browsers and OpenSSL show it.
 */
import { fromHex, hex } from './bytes.ts'
import { OcmError } from './errors.ts'

const BYTES = 32

/** @returns e.g. `AB:CD:…`, 32 pairs. */
export const writeCertificatePin = (pin: Uint8Array): string =>
  (hex(pin).toUpperCase().match(/../g) ?? []).join(':')

/** Takes it with or without colons and whatever stands before it. @throws OcmError 'malformed' */
export function readCertificatePin(text: string): Uint8Array {
  const digits = text
    .trim()
    .replace(/^(?:.*fingerprint|sha-?256)[\s:=]*/i, '')
    .replaceAll(/[:\s]/g, '')
    .toLowerCase()
  if (!/^[0-9a-f]*$/.test(digits) || digits.length !== 2 * BYTES) {
    throw new OcmError('malformed', { what: 'fingerprint of a certificate' })
  }
  return fromHex(digits)
}
