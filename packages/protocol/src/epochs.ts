/**
 * Epochs of a vault. A new epoch has a new sealing secret, so that whoever held the old one cannot read what is sealed
 * from then on. The old secret is sealed to the new key and lies beside the packs: pack headers are never rewritten, and
 * whoever opens the vault today opens every snapshot there ever was.
 */
import { type Static, Type } from 'typebox'
import { equal, hex } from './bytes.ts'
import { toCbor } from './cbor.ts'
import { OcmError } from './errors.ts'
import { Id } from './ids.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { openSealed, sealTo } from './sealing.ts'
import { Bytes, Strict } from './shapes.ts'
import { makeStatement, readStatement } from './statements.ts'
import type { Vault } from './vault.ts'

/** Body of the statement that keeps the secret of an epoch which has ended; signed by the vault's root. */
export const SealedEpoch = Strict({
  v: Type.Literal(1),
  vault: Id,
  /** The epoch that ended. */
  epoch: Type.Integer({ minimum: 1 }),
  /** Its public sealing key. */
  sealing: Bytes(32),
  /** Its secret, sealed (use 'epoch', context {vault, epoch}) to the sealing key of the epoch after it. */
  sealed: Bytes(),
})
export type SealedEpoch = Static<typeof SealedEpoch>

/** The same vault with a fresh sealing secret; the root, which agents pin, stays. */
export const nextEpoch = (p: Primitives, vault: Vault): Vault => ({
  ...vault,
  epoch: vault.epoch + 1,
  sealing: p.x25519Pair(),
})

/** @returns the statement that is kept as `vault/epoch-<n>` in the store, n being the epoch of `old`. */
export function sealEpoch(p: Primitives, old: Vault, next: Vault): Uint8Array {
  const about = { vault: old.id, epoch: old.epoch }
  const sealed = sealTo(p, [next.sealing.public], 'epoch', about, old.sealing.secret)
  const body: SealedEpoch = { v: 1, ...about, sealing: old.sealing.public, sealed }
  return makeStatement(p, 'epoch', body, next.root)
}

/** @throws OcmError 'malformed', 'signature-invalid', 'vault-changed' */
export function readSealedEpoch(
  p: Primitives,
  root: Uint8Array,
  vault: string,
  epoch: number,
  statement: Uint8Array,
): SealedEpoch {
  const body = readStatement(p, 'epoch', SealedEpoch, statement, [root])
  if (body.vault !== vault || body.epoch !== epoch) throw new OcmError('vault-changed')
  return body
}

/** The sealing keys of a vault, this epoch's and those before it. */
export interface Epochs {
  /**
   * The key that opens what was sealed in this epoch.
   * @throws OcmError 'epoch-unknown' when its secret is not at hand; 'signature-invalid', 'seal-broken', 'malformed'
   * when it, or that of an epoch between, was damaged
   */
  of(epoch: number): KeyPair
  /** Overwrites the secrets of the epochs before this one. */
  forget(): void
}

/**
 * @param sealed the statement of each epoch that ended, by its number, as the hub or the store's `vault/epoch-<n>` has it.
 * They are opened when they are asked for: a damaged one costs the snapshots of its epoch and of those before it, no more.
 */
export function openEpochs(
  p: Primitives,
  vault: Vault,
  sealed: ReadonlyMap<number, Uint8Array>,
): Epochs {
  const opened = new Map<number, KeyPair>([[vault.epoch, vault.sealing]])
  return {
    of(epoch) {
      let at = vault.epoch
      if (!Number.isInteger(epoch) || epoch < 1 || epoch > at) {
        throw new OcmError('epoch-unknown', { epoch })
      }
      let key = vault.sealing
      for (; at > epoch; at--) {
        const before = opened.get(at - 1) ?? openOne(p, vault, at - 1, key, sealed.get(at - 1))
        opened.set(at - 1, before)
        key = before
      }
      return key
    },
    forget() {
      for (const [epoch, key] of opened) if (epoch !== vault.epoch) key.secret.fill(0)
    },
  }
}

function openOne(
  p: Primitives,
  vault: Vault,
  epoch: number,
  next: KeyPair,
  statement: Uint8Array | undefined,
): KeyPair {
  if (statement === undefined) throw new OcmError('epoch-unknown', { epoch })
  const body = readSealedEpoch(p, vault.root.public, vault.id, epoch, statement)
  const secret = openSealed(p, next, 'epoch', { vault: vault.id, epoch }, body.sealed)
  const key = p.x25519Pair(secret)
  if (!equal(key.public, body.sealing)) throw new OcmError('vault-changed')
  return key
}

/**
 * All that changes together when a slot, the record or the epoch changes; signed by the vault's root. The hub takes it
 * whole or not at all.
 */
export const VaultChange = Strict({
  v: Type.Literal(1),
  vault: Id,
  /** `vaultHash` of what it was made over: for that one state and no other, so it cannot be played again. */
  over: Bytes(32),
  /** The next record as it was signed; null leaves the one there is. */
  record: Type.Union([Bytes(), Type.Null()]),
  /** Every slot as it shall be from now on, CBOR of a Slot each. */
  slots: Type.Array(Bytes(), { minItems: 2, maxItems: 600 }),
  /** With the record of a new epoch: the statement of the one that ends. */
  ended: Type.Union([Bytes(), Type.Null()]),
})
export type VaultChange = Static<typeof VaultChange>

export const signVaultChange = (p: Primitives, vault: Vault, change: VaultChange): Uint8Array =>
  makeStatement(p, 'vault-change', change, vault.root)

/** @throws OcmError 'malformed', 'signature-invalid' */
export const readVaultChange = (p: Primitives, root: Uint8Array, bytes: Uint8Array): VaultChange =>
  readStatement(p, 'vault-change', VaultChange, bytes, [root])

/** What a change is made over: the record as it was signed, and all slots whatever their order. */
export const vaultHash = (
  p: Primitives,
  record: Uint8Array,
  slots: readonly Uint8Array[],
): Uint8Array =>
  p.sha256(toCbor([p.sha256(record), slots.map((slot) => hex(p.sha256(slot))).toSorted()]))
