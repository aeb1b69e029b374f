/** Writing the next vault record. */
import { OcmError, type VaultRecord, base64url, signVaultRecord } from '@ocm/protocol'
import { rememberSerial } from './memory.ts'
import type { Ports } from '../ports.ts'
import { type Unlocked, acceptRecord } from './unlock.ts'

/**
 * Signs and stores a record with what `change` answers. When somebody else wrote one meanwhile, `change` is asked
 * again over theirs, once.
 * @param change answers undefined when nothing is to be changed.
 * @returns the vault with the record that now holds.
 */
export async function reviseRecord(
  ports: Ports,
  unlocked: Unlocked,
  change: (record: VaultRecord) => Partial<VaultRecord> | undefined,
): Promise<Unlocked> {
  try {
    return await putNext(ports, unlocked, change)
  } catch (error) {
    if (!(error instanceof OcmError) || error.code !== 'vault-record-stale') throw error
    const record = await acceptRecord(ports, unlocked, await ports.api.vault())
    return putNext(ports, { ...unlocked, record }, change)
  }
}

async function putNext(
  { p, api, memory, now }: Ports,
  unlocked: Unlocked,
  change: (record: VaultRecord) => Partial<VaultRecord> | undefined,
): Promise<Unlocked> {
  const changed = change(unlocked.record)
  if (changed === undefined) return unlocked
  const record: VaultRecord = {
    ...unlocked.record,
    ...changed,
    serial: unlocked.record.serial + 1,
    at: now(),
  }
  await api.putRecord(base64url(signVaultRecord(p, unlocked.vault, record)))
  await rememberSerial(memory, unlocked.vault.id, record.serial)
  return { ...unlocked, record }
}
