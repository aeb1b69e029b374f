/**
 * A statement is a CBOR body, its signer and an Ed25519 signature over a type label and the body as it was sent.
 * It is stored, relayed and verified as the bytes that arrived; its hash names it.
 */
import type { Static, TSchema } from 'typebox'
import { concat, equal, utf8 } from './bytes.ts'
import { toCbor } from './cbor.ts'
import { OcmError } from './errors.ts'
import type { Primitives } from './primitives/primitives.ts'
import { Bytes, Strict, decodeAs } from './shapes.ts'

/** What a signature can be about. A signature over one kind never passes for another. */
export type StatementKind =
  | 'vault-record'
  | 'vault-change'
  | 'epoch'
  | 'ticket'
  | 'enrolment'
  | 'snapshot'
  | 'description'
  | 'order'
  | 'fenced'
  | 'speak'
  | 'abort'
  | 'undo'
  | 'target-off'
  | 'receipt'
  | 'agent-release'
  | 'ssh-connection'
  | 'ssh-credential'

const Statement = Strict({
  /** The body's CBOR, as it was signed. */
  b: Bytes(),
  /** The signer's Ed25519 public key. */
  k: Bytes(32),
  /** The signature. */
  s: Bytes(64),
})

const signedBytes = (kind: StatementKind, body: Uint8Array) =>
  concat(utf8(`ocm/1 statement ${kind}\0`), body)

export function makeStatement(
  p: Primitives,
  kind: StatementKind,
  body: unknown,
  signer: { readonly secret: Uint8Array; readonly public: Uint8Array },
): Uint8Array {
  const b = toCbor(body)
  return toCbor({ b, k: signer.public, s: p.ed25519Sign(signer.secret, signedBytes(kind, b)) })
}

/** The signer that a statement claims, unverified: only for looking up who it would have to be. */
export const claimedSigner = (bytes: Uint8Array): Uint8Array =>
  decodeAs(Statement, bytes, 'statement').k

/** What a statement claims, unverified: only for choosing among statements that whoever gets them verifies. */
export const claimedBody = <T extends TSchema>(
  shape: T,
  kind: StatementKind,
  bytes: Uint8Array,
): Static<T> => decodeAs(shape, decodeAs(Statement, bytes, 'statement').b, kind)

/**
 * @param signers who may have signed; with none of them the signature counts as invalid.
 * @throws OcmError 'malformed' or 'signature-invalid'
 */
export function readStatement<T extends TSchema>(
  p: Primitives,
  kind: StatementKind,
  shape: T,
  bytes: Uint8Array,
  signers: readonly Uint8Array[],
): Static<T> {
  const { b, k, s } = decodeAs(Statement, bytes, kind)
  const known = signers.some((signer) => equal(signer, k))
  if (!known || !p.ed25519Verify(k, signedBytes(kind, b), s)) {
    throw new OcmError('signature-invalid', { what: kind })
  }
  return decodeAs(shape, b, kind)
}
