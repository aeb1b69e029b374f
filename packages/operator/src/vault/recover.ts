/** Getting back in with the printed kit, when the passphrase is lost. */
import {
  OcmError,
  type Vault,
  type VaultRecord,
  createOperator,
  listedOperator,
  openRecoverySlot,
  readVaultRecord,
  fromBase64url,
} from '@ocm/protocol'
import { changeVault, forgetKeys, provenSlot, slotsOf, slotsOfOthers } from './change.ts'
import { serialSeen } from './memory.ts'
import { checkPassphrase } from './passphrase.ts'
import type { Ports } from '../ports.ts'
import { servedVault, slotOf } from './unlock.ts'

/**
 * The operator's old signing key is lost with the passphrase, so the record lists a new one in its place: nobody who
 * has the old one signs another order. The code stays good.
 * @returns the serial of the record that now holds.
 * @throws OcmError 'recovery-code-wrong', 'vault-changed', 'not-allowed' for an operator the record does not list,
 * 'passphrase-weak', 'passphrase-is-password', 'vault-record-stale'
 */
export async function recoverVault(
  ports: Ports,
  wish: { readonly code: string; readonly passphrase: string; readonly password: string },
): Promise<number> {
  const { p, api, memory, now } = ports
  checkPassphrase(wish.passphrase, wish.password)
  const [{ state, id, root }, me] = [await servedVault(ports), await api.me()]
  const slot = slotOf(state, 'recovery', null)
  if (slot === undefined) throw new OcmError('not-found', { what: 'recovery slot' })
  const vault: Vault = openRecoverySlot(p, id, slot, wish.code)
  const operator = { ...createOperator(p), id: me.operator }
  const opened = { vault, operator }
  try {
    const seen = await serialSeen(memory, id)
    const before = readVaultRecord(p, root, fromBase64url(state.record), seen)
    if (before.epoch !== vault.epoch) throw new OcmError('vault-record-stale')
    if (!before.operators.some((one) => one.id === me.operator)) throw new OcmError('not-allowed')
    const record: VaultRecord = {
      ...before,
      serial: before.serial + 1,
      operators: before.operators.map((one) =>
        one.id === me.operator ? listedOperator(p, operator) : one,
      ),
      at: now(),
    }
    const mine = await provenSlot(p, opened, wish.passphrase)
    const slots = [...slotsOfOthers(slotsOf(state), me.operator), mine]
    await changeVault(ports, opened, state, { slots, record })
    return record.serial
  } finally {
    forgetKeys(opened)
  }
}
