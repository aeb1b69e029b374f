/** Opening the vault for the length of one job. */
import {
  OcmError,
  type OpenedVault,
  type Primitives,
  Slot,
  type VaultRecord,
  type VaultState,
  decodeAs,
  equal,
  fromBase64url,
  openPassphraseSlot,
  readVaultRecord,
  vaultIdOf,
} from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { type Memory, pinVault, rememberSerial, serialSeen } from './memory.ts'

/** What everything that talks to a hub is handed. */
export interface Ports {
  readonly p: Primitives
  readonly api: ApiClient
  readonly memory: Memory
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** An opened vault with the newest record, which was verified against the root that the opened secret yields. */
export interface Unlocked extends OpenedVault {
  readonly record: VaultRecord
  /** The hub's public key: served by it, and listed in the record. */
  readonly hub: Uint8Array
  /** Overwrites the keys; whatever is asked of the vault afterwards fails. */
  close(): void
}

/**
 * Asks for nothing but the passphrase, which never leaves. Takes a good part of a second.
 * @throws OcmError 'passphrase-wrong', 'vault-changed', 'vault-record-stale', 'hub-key-changed', 'not-allowed'
 */
export async function openVault(ports: Ports, passphrase: string): Promise<Unlocked> {
  const { p, api, memory } = ports
  const [state, me] = [await api.vault(), await api.me()]
  const vaultId = vaultIdOf(p, fromBase64url(state.root))
  await pinVault(memory, api.url, vaultId)
  const slot = slotOf(state, me.operator)
  const opened = await openPassphraseSlot(p, vaultId, slot, passphrase)
  try {
    const record = await acceptRecord(ports, opened, state)
    const mine = record.operators.find(({ id }) => id === opened.operator.id)
    if (mine === undefined || !equal(mine.key, opened.operator.key.public)) {
      throw new OcmError('not-allowed')
    }
    const hub = fromBase64url(state.hubKey)
    if (!record.hubs.some((key) => equal(key, hub))) throw new OcmError('hub-key-changed')
    return { ...opened, record, hub, close: () => forgetKeys(opened) }
  } catch (cause) {
    forgetKeys(opened)
    throw cause
  }
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

function slotOf(state: VaultState, operator: string) {
  const served = state.slots.find(
    (slot) => slot.kind === 'passphrase' && slot.operator === operator,
  )
  if (served === undefined) throw new OcmError('not-found', { what: 'slot of this operator' })
  const slot = decodeAs(Slot, fromBase64url(served.slot), 'slot')
  if (slot.kind !== 'passphrase') throw new OcmError('malformed', { what: 'slot' })
  return slot
}

export function forgetKeys({ vault, operator }: OpenedVault): void {
  for (const key of [vault.root, vault.sealing, operator.key]) key.secret.fill(0)
}
