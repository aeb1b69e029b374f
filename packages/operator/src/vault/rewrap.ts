/** Another passphrase for the same vault: this operator's slot is wrapped anew, and nothing else changes. */
import { provenSlot, putSlot } from './change.ts'
import { checkPassphrase } from './passphrase.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from './unlock.ts'

/**
 * The new slot is opened once before it takes the old one's place. Whoever copied the old slot can still open that copy
 * with the old passphrase: against that a new epoch is the means.
 * @param wish.password the login password, which the passphrase may not be.
 * @throws OcmError 'passphrase-weak', 'passphrase-is-password', 'vault-record-stale'
 */
export async function changePassphrase(
  ports: Ports,
  unlocked: Unlocked,
  wish: { readonly passphrase: string; readonly password: string },
): Promise<void> {
  checkPassphrase(wish.passphrase, wish.password)
  await putSlot(ports, unlocked, await provenSlot(ports.p, unlocked, wish.passphrase))
}
