/** Opening the vault for the length of one job. */
import {
  type Epochs,
  OcmError,
  type OpenedVault,
  type Primitives,
  Slot,
  type VaultRecord,
  type VaultState,
  decodeAs,
  equal,
  fromBase64url,
  openEpochs,
  openHandover,
  openPassphraseSlot,
  readVaultRecord,
  vaultIdOf,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import { forgetKeys, provenSlot, putSlot } from './change.ts'
import { pinVault, rememberSerial, serialSeen } from './memory.ts'

/** What a machine pins a vault by: the hub's word for the root has to name the vault this machine knows. */
export async function servedVault({ p, api, memory }: Ports): Promise<{
  readonly state: VaultState
  readonly id: string
  readonly root: Uint8Array
}> {
  const state = await api.vault()
  const root = fromBase64url(state.root)
  const id = vaultIdOf(p, root)
  await pinVault(memory, api.url, id)
  return { state, id, root }
}

/** An opened vault with the newest record, which was verified against the root that the opened secret yields. */
export interface Unlocked extends OpenedVault {
  readonly record: VaultRecord
  /** The hub's public key: served by it, and listed in the record. */
  readonly hub: Uint8Array
  /** The sealing keys of this epoch and of those before it. */
  readonly epochs: Epochs
  /** Overwrites the keys; whatever is asked of the vault afterwards fails. */
  close(): void
}

/**
 * Asks for nothing but the passphrase, which never leaves. Takes a good part of a second. An operator to whom a new
 * epoch was handed over takes it up here, and has a slot of its own again.
 * @throws OcmError 'passphrase-wrong', 'vault-changed', 'vault-record-stale', 'hub-key-changed', 'not-allowed',
 * 'handover-missing'
 */
export async function openVault(ports: Ports, passphrase: string): Promise<Unlocked> {
  const { p } = ports
  const [{ state, id }, me] = await Promise.all([servedVault(ports), ports.api.me()])
  const slot = slotOf(state, 'passphrase', me.operator)
  if (slot === undefined) throw new OcmError('not-found', { what: 'slot of this operator' })
  const opened = await openPassphraseSlot(p, id, slot, passphrase)
  try {
    const record = await acceptRecord(ports, opened, state)
    if (opened.vault.epoch === record.epoch) return unlockedWith(p, opened, record, state)
    const handed = await takeUp(ports, opened, record, state, passphrase)
    opened.vault.sealing.secret.fill(0)
    return unlockedWith(p, handed, record, state)
  } catch (cause) {
    forgetKeys(opened)
    throw cause
  }
}

/** @throws OcmError 'vault-changed', 'not-allowed', 'hub-key-changed' */
export function unlockedWith(
  p: Primitives,
  opened: OpenedVault,
  record: VaultRecord,
  state: VaultState,
): Unlocked {
  const { vault, operator } = opened
  if (!equal(vault.sealing.public, record.sealing)) throw new OcmError('vault-changed')
  const mine = record.operators.find(({ id }) => id === operator.id)
  if (mine === undefined || !equal(mine.key, operator.key.public)) throw new OcmError('not-allowed')
  const hub = fromBase64url(state.hubKey)
  if (!record.hubs.some((key) => equal(key, hub))) throw new OcmError('hub-key-changed')
  const ended = state.epochs.map(
    ({ epoch, statement }) => [epoch, fromBase64url(statement)] as const,
  )
  const epochs = openEpochs(p, vault, new Map(ended))
  return {
    ...opened,
    record,
    hub,
    epochs,
    close() {
      epochs.forget()
      forgetKeys(opened)
    },
  }
}

/** A new epoch began without this operator: its secret is opened with the operator's own key, and wrapped like the old. */
async function takeUp(
  ports: Ports,
  opened: OpenedVault,
  record: VaultRecord,
  state: VaultState,
  passphrase: string,
): Promise<OpenedVault> {
  const { p } = ports
  if (opened.vault.epoch > record.epoch) throw new OcmError('vault-record-stale')
  const slot = slotOf(state, 'handover', opened.operator.id)
  if (slot === undefined) throw new OcmError('handover-missing')
  const vault = openHandover(p, opened, slot)
  if (!equal(vault.sealing.public, record.sealing)) throw new OcmError('vault-changed')
  const handed = { vault, operator: opened.operator }
  await putSlot(ports, handed, await provenSlot(p, handed, passphrase))
  return handed
}

/** The served record, verified. @throws OcmError 'signature-invalid', 'vault-changed', 'vault-record-stale' */
export async function acceptRecord(
  { p, memory }: Ports,
  { vault }: OpenedVault,
  state: VaultState,
): Promise<VaultRecord> {
  const seen = await serialSeen(memory, vault.id)
  const record = readVaultRecord(p, vault.root.public, fromBase64url(state.record), seen)
  await rememberSerial(memory, vault.id, record.serial)
  return record
}

/** @throws OcmError 'malformed' */
export function slotOf<K extends Slot['kind']>(
  state: VaultState,
  kind: K,
  operator: string | null,
): Extract<Slot, { kind: K }> | undefined {
  const served = state.slots.find((slot) => slot.kind === kind && slot.operator === operator)
  if (served === undefined) return undefined
  const slot = decodeAs(Slot, fromBase64url(served.slot), 'slot')
  if (slot.kind !== kind) throw new OcmError('malformed', { what: 'slot' })
  return slot as Extract<Slot, { kind: K }>
}
