/**
 * The vault: one secret that only operators hold. From it come the root, which agents pin, and the key that runs
 * are sealed to. The hub keeps the signed vault record and the wrapped slots, and can open neither.
 */
import { type Static, Type } from 'typebox'
import { concat, equal, hex, utf8 } from './bytes.ts'
import { toCbor } from './cbor.ts'
import { OcmError } from './errors.ts'
import { Id, type VaultId, vaultIdOf } from './ids.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { openSealed, sealTo } from './sealing.ts'
import { Bytes, Count, Millis, Strict, decodeAs } from './shapes.ts'
import { makeStatement, readStatement } from './statements.ts'

/** What a slot holds. The root never changes while agents pin it; the sealing secret changes with each epoch. */
const VaultSecret = Strict({
  v: Type.Literal(1),
  root: Bytes(32),
  epoch: Count,
  sealing: Bytes(32),
})
type VaultSecret = Static<typeof VaultSecret>

/** An opened vault: keys in memory for the length of one job. */
export interface Vault {
  readonly id: VaultId
  readonly root: KeyPair
  readonly epoch: number
  readonly sealing: KeyPair
}

/** What a passphrase slot holds beside the vault's secret: who opened it and the key that signs that operator's orders. */
export interface OpenedVault {
  readonly vault: Vault
  readonly operator: { readonly id: string; readonly key: KeyPair }
}

export const VaultRecord = Strict({
  v: Type.Literal(1),
  vault: Id,
  /** Rises with each record; nobody accepts one below the highest seen. */
  serial: Type.Integer({ minimum: 1 }),
  epoch: Count,
  sealing: Bytes(32),
  operators: Type.Array(
    Strict({
      id: Id,
      key: Bytes(32),
      /** X25519, see `operatorBox`: what a new epoch is handed over to. */
      box: Type.Optional(Bytes(32)),
    }),
    { maxItems: 256 },
  ),
  hubs: Type.Array(Bytes(32), { maxItems: 16 }),
  nodes: Type.Array(Strict({ id: Id, key: Bytes(32) }), { maxItems: 65_536 }),
  revoked: Type.Array(Bytes(32), { maxItems: 65_536 }),
  /** Which nodes the revoked keys were, so that their snapshots can still be read. */
  retired: Type.Optional(Type.Array(Strict({ id: Id, key: Bytes(32) }), { maxItems: 65_536 })),
  /** By the clock of the operator who wrote it; for people only. */
  at: Millis,
})
export type VaultRecord = Static<typeof VaultRecord>

/** A wrapped vault secret, as the hub stores it. `kdf` names constants of the client, never parameters. */
export const Slot = Type.Union([
  Strict({
    kind: Type.Literal('passphrase'),
    operator: Id,
    kdf: Type.Literal('argon2id-64m-3-1'),
    salt: Bytes(16),
    sealed: Bytes(),
  }),
  Strict({
    kind: Type.Literal('recovery'),
    kdf: Type.Literal('hkdf'),
    salt: Bytes(16),
    sealed: Bytes(),
  }),
  /** The secret of a new epoch, sealed to an operator who was not there when it began; see `openHandover`. */
  Strict({ kind: Type.Literal('handover'), operator: Id, sealed: Bytes() }),
])
export type Slot = Static<typeof Slot>

const OperatorSecret = Strict({ id: Id, key: Bytes(32) })
const SlotPlain = Strict({
  secret: VaultSecret,
  operator: Type.Union([OperatorSecret, Type.Null()]),
})

function vaultFrom(p: Primitives, secret: VaultSecret): Vault {
  const root = p.ed25519Pair(secret.root)
  return {
    id: vaultIdOf(p, root.public),
    root,
    epoch: secret.epoch,
    sealing: p.x25519Pair(secret.sealing),
  }
}

const secretOf = (vault: Vault): VaultSecret => ({
  v: 1,
  root: vault.root.secret,
  epoch: vault.epoch,
  sealing: vault.sealing.secret,
})

export const createVault = (p: Primitives): Vault =>
  vaultFrom(p, { v: 1, root: p.random(32), epoch: 1, sealing: p.random(32) })

export const createOperator = (p: Primitives): OpenedVault['operator'] => ({
  id: hex(p.random(16)),
  key: p.ed25519Pair(),
})

/**
 * An operator's X25519 key, out of the signing key: what is sealed to it opens with the slot of any epoch, and only with
 * that operator's passphrase.
 */
export const operatorBox = (p: Primitives, { key }: OpenedVault['operator']): KeyPair =>
  p.x25519Pair(p.hkdf(key.secret, new Uint8Array(0), utf8('ocm/1 operator box'), 32))

/** How an operator stands in the vault record. */
export const listedOperator = (
  p: Primitives,
  operator: OpenedVault['operator'],
): VaultRecord['operators'][number] => ({
  id: operator.id,
  key: operator.key.public,
  box: operatorBox(p, operator).public,
})

const NONCE = new Uint8Array(12)
const slotContext = (vault: VaultId, kind: Slot['kind'], operator: string | null) =>
  concat(utf8('ocm/1 slot\0'), toCbor({ vault, kind, operator }))

const normalized = (passphrase: string) => utf8(passphrase.normalize('NFKC'))

/** A slot under a passphrase. Its key comes from argon2id, so this takes a good part of a second. */
export async function passphraseSlot(
  p: Primitives,
  opened: OpenedVault,
  passphrase: string,
): Promise<Slot> {
  const salt = p.random(16)
  const key = await p.argon2id(normalized(passphrase), salt)
  const { vault, operator } = opened
  const plain = toCbor({
    secret: secretOf(vault),
    operator: { id: operator.id, key: operator.key.secret },
  })
  return {
    kind: 'passphrase',
    operator: operator.id,
    kdf: 'argon2id-64m-3-1',
    salt,
    sealed: p.seal(key, NONCE, slotContext(vault.id, 'passphrase', operator.id), plain),
  }
}

/** @throws OcmError 'passphrase-wrong' */
export async function openPassphraseSlot(
  p: Primitives,
  vaultId: VaultId,
  slot: Extract<Slot, { kind: 'passphrase' }>,
  passphrase: string,
): Promise<OpenedVault> {
  const key = await p.argon2id(normalized(passphrase), slot.salt)
  const context = slotContext(vaultId, 'passphrase', slot.operator)
  const { secret, operator } = openSlot(p, key, context, slot.sealed, 'passphrase-wrong')
  const vault = vaultFrom(p, secret)
  if (vault.id !== vaultId || operator?.id !== slot.operator) throw new OcmError('vault-changed')
  return { vault, operator: { id: operator.id, key: p.ed25519Pair(operator.key) } }
}

const recoveryKey = (p: Primitives, code: Uint8Array, salt: Uint8Array) =>
  p.hkdf(code, salt, utf8('ocm/1 recovery slot'), 32)

/** A slot under a printed recovery code (see `newRecoveryCode`). The code's 160 random bits need no slow derivation. */
export function recoverySlot(p: Primitives, vault: Vault, code: string): Slot {
  const salt = p.random(16)
  const key = recoveryKey(p, recoveryCodeBytes(code), salt)
  const plain = toCbor({ secret: secretOf(vault), operator: null })
  return {
    kind: 'recovery',
    kdf: 'hkdf',
    salt,
    sealed: p.seal(key, NONCE, slotContext(vault.id, 'recovery', null), plain),
  }
}

/** @throws OcmError 'recovery-code-wrong' */
export function openRecoverySlot(
  p: Primitives,
  vaultId: VaultId,
  slot: Extract<Slot, { kind: 'recovery' }>,
  code: string,
): Vault {
  const key = recoveryKey(p, recoveryCodeBytes(code), slot.salt)
  const context = slotContext(vaultId, 'recovery', null)
  const vault = vaultFrom(p, openSlot(p, key, context, slot.sealed, 'recovery-code-wrong').secret)
  if (vault.id !== vaultId) throw new OcmError('vault-changed')
  return vault
}

/** @param box of the operator who is to open it, from the vault record. */
export const handoverSlot = (
  p: Primitives,
  vault: Vault,
  operator: string,
  box: Uint8Array,
): Slot => ({
  kind: 'handover',
  operator,
  sealed: sealTo(p, [box], 'handover', { vault: vault.id, operator }, toCbor(secretOf(vault))),
})

/**
 * The vault of a newer epoch than the operator's own slot holds.
 * @throws OcmError 'seal-broken', 'malformed', 'vault-changed'
 */
export function openHandover(
  p: Primitives,
  { vault, operator }: OpenedVault,
  slot: Extract<Slot, { kind: 'handover' }>,
): Vault {
  const box = operatorBox(p, operator)
  const context = { vault: vault.id, operator: operator.id }
  const plain = openSealed(p, box, 'handover', context, slot.sealed)
  const handed = vaultFrom(p, decodeAs(VaultSecret, plain, 'slot'))
  // Anybody can seal to a box that stands in the record; only who holds the root can put its secret in.
  if (!equal(handed.root.secret, vault.root.secret)) throw new OcmError('vault-changed')
  return handed
}

function openSlot(
  p: Primitives,
  key: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
  wrong: 'passphrase-wrong' | 'recovery-code-wrong',
): Static<typeof SlotPlain> {
  let plain: Uint8Array
  try {
    plain = p.open(key, NONCE, context, sealed)
  } catch (cause) {
    throw new OcmError(wrong, {}, { cause })
  }
  return decodeAs(SlotPlain, plain, 'slot')
}

/** Letters and digits that are not mistaken for one another on paper. */
const CODE_LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new recovery code: 160 random bits as 8 groups of 4. */
export function newRecoveryCode(p: Primitives): string {
  const letters = [...p.random(32)].map((byte) => CODE_LETTERS[byte & 31])
  return letters.join('').match(/.{4}/g)?.join('-') ?? ''
}

/** @throws OcmError 'recovery-code-wrong' when it cannot be a code at all. */
function recoveryCodeBytes(code: string): Uint8Array {
  const letters = code.toLowerCase().replace(/[\s-]/g, '').replace(/o/g, '0').replace(/[il]/g, '1')
  if (letters.length !== 32 || [...letters].some((letter) => !CODE_LETTERS.includes(letter))) {
    throw new OcmError('recovery-code-wrong')
  }
  return utf8(letters)
}

export const signVaultRecord = (p: Primitives, vault: Vault, record: VaultRecord): Uint8Array =>
  makeStatement(p, 'vault-record', record, vault.root)

/**
 * @param root the public key that is pinned (agents) or comes from the opened vault (operators); never one the hub served.
 * @param seen the highest serial accepted so far, 0 at first.
 * @throws OcmError 'signature-invalid', 'vault-changed', 'vault-record-stale'
 */
export function readVaultRecord(
  p: Primitives,
  root: Uint8Array,
  bytes: Uint8Array,
  seen: number,
): VaultRecord {
  const record = readStatement(p, 'vault-record', VaultRecord, bytes, [root])
  if (record.vault !== vaultIdOf(p, root)) throw new OcmError('vault-changed')
  if (record.serial < seen) throw new OcmError('vault-record-stale')
  return record
}
