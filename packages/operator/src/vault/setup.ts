/** The first act: the vault is made here, and wrapped before anything of it leaves. */
import {
  type Primitives,
  type SetupRequest,
  type Slot,
  type SlotJson,
  type VaultRecord,
  base64url,
  createOperator,
  createVault,
  fingerprint,
  fromBase64url,
  listedOperator,
  newRecoveryCode,
  passphraseSlot,
  recoverySlot,
  signVaultRecord,
  toCbor,
} from '@ocm/protocol'
import { type RecoveryKit, kitOf } from './kit.ts'
import { checkPassphrase } from './passphrase.ts'
import { forgetKeys } from './change.ts'

export interface SetupWish {
  readonly name: string
  readonly password: string
  readonly passphrase: string
  /** The hub's public key as it shows it (`SetupState.hubKey`), base64url. */
  readonly hubKey: string
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface PreparedSetup {
  /** All of POST /api/setup but the secret of the set-up link. */
  readonly request: Omit<SetupRequest, 'secret'>
  readonly kit: RecoveryKit
}

/** @throws OcmError 'passphrase-is-password', 'passphrase-weak' */
export async function prepareSetup(p: Primitives, wish: SetupWish): Promise<PreparedSetup> {
  checkPassphrase(wish.passphrase, wish.password)
  const hub = fromBase64url(wish.hubKey)
  const vault = createVault(p)
  const operator = createOperator(p)
  const code = newRecoveryCode(p)
  const record: VaultRecord = {
    v: 1,
    vault: vault.id,
    serial: 1,
    epoch: vault.epoch,
    sealing: vault.sealing.public,
    operators: [listedOperator(p, operator)],
    hubs: [hub],
    nodes: [],
    revoked: [],
    at: wish.now,
  }
  try {
    const request = {
      name: wish.name,
      password: wish.password,
      record: base64url(signVaultRecord(p, vault, record)),
      root: base64url(vault.root.public),
      slots: [
        slotJson(await passphraseSlot(p, { vault, operator }, wish.passphrase)),
        slotJson(recoverySlot(p, vault, code)),
      ],
    }
    return {
      request,
      kit: kitOf(code, fingerprint(p, vault.root.public), fingerprint(p, hub), wish),
    }
  } finally {
    forgetKeys({ vault, operator })
  }
}

const slotJson = (slot: Slot): SlotJson => ({
  kind: slot.kind,
  operator: slot.kind === 'recovery' ? null : slot.operator,
  slot: base64url(toCbor(slot)),
})
