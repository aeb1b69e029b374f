/**
 * Changing slots, record and epoch: one signed value that the hub takes whole or not at all, so there is no moment
 * without a slot that opens.
 */
import {
  OcmError,
  type OpenedVault,
  type Primitives,
  Slot,
  type VaultRecord,
  type VaultState,
  base64url,
  decodeAs,
  fromBase64url,
  openPassphraseSlot,
  passphraseSlot,
  signVaultChange,
  signVaultRecord,
  toCbor,
  vaultHash,
} from '@ocm/protocol'
import { rememberSerial } from './memory.ts'
import type { Ports } from '../ports.ts'

export interface NextVault {
  readonly slots: readonly Slot[]
  /** With the next serial; absent: the record stays. */
  readonly record?: VaultRecord
  /** See `sealEpoch`. */
  readonly ended?: Uint8Array
}

/**
 * @param state what the hub serves now; the change is for this state alone.
 * @throws OcmError 'vault-record-stale' when somebody changed it meanwhile: nothing was changed then.
 */
export async function changeVault(
  { p, api, memory }: Ports,
  { vault }: Pick<OpenedVault, 'vault'>,
  state: VaultState,
  next: NextVault,
): Promise<void> {
  const slots = state.slots.map(({ slot }) => fromBase64url(slot))
  const change = signVaultChange(p, vault, {
    v: 1,
    vault: vault.id,
    over: vaultHash(p, fromBase64url(state.record), slots),
    record: next.record === undefined ? null : signVaultRecord(p, vault, next.record),
    slots: next.slots.map((slot) => toCbor(slot)),
    ended: next.ended ?? null,
  })
  await api.changeVault(base64url(change))
  if (next.record !== undefined) await rememberSerial(memory, vault.id, next.record.serial)
}

/** A slot of this operator under a passphrase, opened once: one that does not open would be found out too late. */
export async function provenSlot(
  p: Primitives,
  opened: OpenedVault,
  passphrase: string,
): Promise<Slot> {
  const slot = await passphraseSlot(p, opened, passphrase)
  if (slot.kind === 'passphrase') {
    forgetKeys(await openPassphraseSlot(p, opened.vault.id, slot, passphrase))
  }
  return slot
}

export function forgetKeys({ vault, operator }: OpenedVault): void {
  for (const key of [vault.root, vault.sealing, operator.key]) key.secret.fill(0)
}

/** The slots a hub serves. @throws OcmError 'malformed' */
export const slotsOf = (state: VaultState): readonly Slot[] =>
  state.slots.map(({ slot }) => decodeAs(Slot, fromBase64url(slot), 'slot'))

/** All slots but those that open for this operator alone. */
export const slotsOfOthers = (slots: readonly Slot[], operator: string): readonly Slot[] =>
  slots.filter((slot) => slot.kind === 'recovery' || slot.operator !== operator)

/** Puts an operator's slot in place of the one it had, and of what was handed over to it. Tries again over a newer state, once. */
export async function putSlot(ports: Ports, opened: OpenedVault, slot: Slot): Promise<void> {
  const put = async () => {
    const state = await ports.api.vault()
    const slots = [...slotsOfOthers(slotsOf(state), opened.operator.id), slot]
    await changeVault(ports, opened, state, { slots })
  }
  try {
    await put()
  } catch (error) {
    if (!(error instanceof OcmError) || error.code !== 'vault-record-stale') throw error
    await put()
  }
}
