/** What has to hold before a change of the vault is stored. The hub opens nothing; it sees that the parts fit together. */
import {
  decodeAs,
  equal,
  OcmError,
  type Primitives,
  readSealedEpoch,
  readVaultChange,
  readVaultRecord,
  Slot,
  vaultHash,
  type VaultRecord,
} from '@ocm/protocol'
import type { StoredChange, StoredSlot } from './ports.ts'

export interface CurrentVault {
  readonly root: Uint8Array
  readonly record: VaultRecord
  /** The record as it was signed. */
  readonly statement: Uint8Array
}

export interface NextVault {
  readonly record: VaultRecord
  /** The record as it was signed. */
  readonly statement: Uint8Array
  readonly stored: Omit<StoredChange, 'at'>
}

/** @throws OcmError 'signature-invalid', 'malformed', 'vault-record-stale' */
export function readChange(
  p: Primitives,
  before: CurrentVault & { readonly slots: readonly Uint8Array[]; readonly hubKey: Uint8Array },
  signed: Uint8Array,
): NextVault {
  const change = readVaultChange(p, before.root, signed)
  if (change.vault !== before.record.vault) throw malformed()
  if (!equal(change.over, vaultHash(p, before.statement, before.slots))) {
    throw new OcmError('vault-record-stale')
  }
  const statement = change.record ?? before.statement
  const record = change.record === null ? before.record : nextRecord(p, before, change.record)
  const ended = endedEpoch(p, before, record, change.ended)
  const slots = change.slots.map(storedSlot)
  checkSlots(slots, record)
  const listed = record.operators.map(({ id }) => id)
  return {
    record,
    statement,
    stored: {
      slots,
      ...(change.record === null
        ? {}
        : { record: { serial: record.serial, bytes: change.record }, operators: listed }),
      ...(ended === undefined ? {} : { ended }),
    },
  }
}

const malformed = () => new OcmError('malformed', { what: 'change of the vault' })

function nextRecord(
  p: Primitives,
  before: CurrentVault & { readonly hubKey: Uint8Array },
  statement: Uint8Array,
): VaultRecord {
  const record = readVaultRecord(p, before.root, statement, 0)
  if (record.serial !== before.record.serial + 1) throw new OcmError('vault-record-stale')
  if (!record.hubs.some((hub) => equal(hub, before.hubKey))) throw malformed()
  if (record.operators.length === 0) throw malformed()
  return record
}

/** A new epoch comes with the secret of the one that ends: without it no older snapshot could be read again. */
function endedEpoch(
  p: Primitives,
  { root, record: before }: CurrentVault,
  next: VaultRecord,
  statement: Uint8Array | null,
): StoredChange['ended'] {
  const same = next.epoch === before.epoch && equal(next.sealing, before.sealing)
  if (same && statement === null) return undefined
  const isNext = next.epoch === before.epoch + 1 && !equal(next.sealing, before.sealing)
  if (!isNext || statement === null) throw malformed()
  const { sealing } = readSealedEpoch(p, root, before.vault, before.epoch, statement)
  if (!equal(sealing, before.sealing)) throw malformed()
  return { epoch: before.epoch, bytes: statement }
}

export function storedSlot(bytes: Uint8Array): StoredSlot {
  const slot = decodeAs(Slot, bytes, 'slot')
  return { kind: slot.kind, operator: slot.kind === 'recovery' ? null : slot.operator, bytes }
}

/** One recovery slot, at most one of each other kind for an operator who is listed, and somebody has a passphrase. */
function checkSlots(slots: readonly StoredSlot[], { operators }: VaultRecord): void {
  const names = slots.map(({ kind, operator }) => `${kind} ${operator}`)
  const isListed = slots.every(
    ({ operator }) => operator === null || operators.some(({ id }) => id === operator),
  )
  const has = (kind: StoredSlot['kind']) => slots.some((slot) => slot.kind === kind)
  const fits =
    isListed && new Set(names).size === names.length && has('recovery') && has('passphrase')
  if (!fits) throw malformed()
}
