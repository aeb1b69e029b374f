/** A server's public key as one line of text, `ssh-ed25519 AAAA…`, without the host: that is pinned by where it stands. */
import { base64url, fromBase64url, fromUtf8 } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { Primitives } from '../primitives/primitives.ts'

export const HOST_KEY_PATTERN =
  '^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\\.com|sk-ecdsa-sha2-nistp256@openssh\\.com)' +
  ' [A-Za-z0-9+/]{40,2800}={0,2}$'

/**
 * @returns the line in its one spelling.
 * @throws OcmError 'malformed' when it is not a key of a kind that ssh still uses, or says another kind than it is.
 */
export function checkHostKey(line: string): string {
  const [kind = '', key = ''] = line.trim().split(/[ \t]+/)
  const text = `${kind} ${key}`
  if (!new RegExp(HOST_KEY_PATTERN).test(text))
    throw new OcmError('malformed', { what: 'host key' })
  const blob = blobOf(text)
  const length = new DataView(blob.buffer, blob.byteOffset).getUint32(0)
  if (length !== kind.length || fromUtf8(blob.subarray(4, 4 + length)) !== kind) {
    throw new OcmError('malformed', { what: 'host key' })
  }
  return text
}

/** What ssh itself shows people: `SHA256:` and 43 letters. */
export const hostKeyFingerprint = (p: Primitives, line: string): string =>
  `SHA256:${base64url(p.sha256(blobOf(line)))
    .replaceAll('-', '+')
    .replaceAll('_', '/')}`

function blobOf(line: string): Uint8Array {
  const text = line.split(' ')[1] ?? ''
  try {
    return fromBase64url(text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))
  } catch (cause) {
    throw new OcmError('malformed', { what: 'host key' }, { cause })
  }
}
