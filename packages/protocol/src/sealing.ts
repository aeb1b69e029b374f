/**
 * The one way anything is sealed to somebody's X25519 key. A fresh content key seals the plaintext once; for each
 * recipient it is wrapped under a key from an ephemeral agreement and HKDF over the use and its context. So a
 * sealed value taken out of its context, or offered to another use, does not open. Whoever seals also signs: the
 * sealed bytes travel inside a statement.
 */
import { concat, equal, utf8 } from './bytes.ts'
import { toCbor } from './cbor.ts'
import { OcmError } from './errors.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { Type } from 'typebox'
import { Bytes, Strict, decodeAs } from './shapes.ts'

/** What a sealed value is for. */
export type SealUse =
  | 'run-key'
  | 'manifest-root'
  | 'description'
  | 'wish'
  | 'grant'
  | 'choices'
  | 'job-log'
  | 'enrolment'
  | 'epoch'
  | 'handover'
  | 'ssh-connection'
  | 'ssh-credential'
  | 'ssh-lent'
  | 'ssh-delegation'

const Sealed = Strict({
  /** Ephemeral X25519 public key. */
  e: Bytes(32),
  /** For each recipient: its public key and the wrapped content key (32 bytes and a tag). */
  w: Type.Array(Type.Tuple([Bytes(32), Bytes(48)]), { minItems: 1, maxItems: 64 }),
  /** Ciphertext and tag. */
  c: Bytes(),
})

/** Every key here seals exactly one message, so one nonce does. */
const NONCE = new Uint8Array(12)

const associatedOf = (use: SealUse, context: unknown) =>
  concat(utf8(`ocm/1 seal ${use}\0`), toCbor(context))

const wrapKey = (
  p: Primitives,
  shared: Uint8Array,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
  associated: Uint8Array,
) => p.hkdf(shared, concat(ephemeral, recipient), associated, 32)

/** @param context any CBOR value that both sides know: ids of vault, node, run, job. */
export function sealTo(
  p: Primitives,
  recipients: readonly Uint8Array[],
  use: SealUse,
  context: unknown,
  plain: Uint8Array,
): Uint8Array {
  const associated = associatedOf(use, context)
  const ephemeral = p.x25519Pair()
  const contentKey = p.random(32)
  const w = recipients.map((recipient) => {
    const shared = p.x25519(ephemeral.secret, recipient)
    const key = wrapKey(p, shared, ephemeral.public, recipient, associated)
    return [recipient, p.seal(key, NONCE, associated, contentKey)]
  })
  return toCbor({ e: ephemeral.public, w, c: p.seal(contentKey, NONCE, associated, plain) })
}

/** @throws OcmError 'malformed' or 'seal-broken' */
export function openSealed(
  p: Primitives,
  recipient: KeyPair,
  use: SealUse,
  context: unknown,
  bytes: Uint8Array,
): Uint8Array {
  const { e, w, c } = decodeAs(Sealed, bytes, use)
  const mine = w.find(([key]) => equal(key, recipient.public))
  if (!mine) throw new OcmError('seal-broken', {})
  const associated = associatedOf(use, context)
  const key = wrapKey(p, p.x25519(recipient.secret, e), e, recipient.public, associated)
  return p.open(p.open(key, NONCE, associated, mine[1]), NONCE, associated, c)
}
