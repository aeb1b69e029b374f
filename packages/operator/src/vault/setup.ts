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
  newRecoveryCode,
  passphraseSlot,
  recoverySlot,
  signVaultRecord,
  toCbor,
} from '@ocm/protocol'
import { checkPassphrase } from './passphrase.ts'
import { forgetKeys } from './unlock.ts'

export interface SetupWish {
  readonly name: string
  readonly password: string
  readonly passphrase: string
  /** The hub's public key as it shows it (`SetupState.hubKey`), base64url. */
  readonly hubKey: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Printed once and kept away from the computer. */
export interface RecoveryKit {
  readonly code: string
  /** Fingerprints that `ocm-agent join`, `ocm-agent status` and the dashboard show too. */
  readonly vault: string
  readonly hub: string
  readonly madeAt: number
  /** The whole kit as plain text, ready to print. */
  readonly text: string
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
    operators: [{ id: operator.id, key: operator.key.public }],
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
  operator: slot.kind === 'passphrase' ? slot.operator : null,
  slot: base64url(toCbor(slot)),
})

function kitOf(code: string, vault: string, hub: string, wish: SetupWish): RecoveryKit {
  const day = new Date(wish.now).toISOString().slice(0, 10)
  const text = [
    'OCM recovery kit',
    '',
    `Made on ${day} by ${wish.name}.`,
    '',
    'Recovery code',
    `  ${code}`,
    '',
    'Fingerprint of the vault',
    `  ${vault}`,
    'Fingerprint of the hub',
    `  ${hub}`,
    '',
    'Print this page and keep it away from the hub and from your computer.',
    'Whoever has the code and a copy of the stored backups can read them all.',
    'Without the code, and without the passphrase, nobody can: not even the hub.',
    '',
    'You need the code when the passphrase is lost. The fingerprints tell you that',
    'you are talking to your own hub and your own vault: `ocm-agent join` and',
    '`ocm-agent status` print them on every node. If they differ, stop.',
    '',
  ].join('\n')
  return { code, vault, hub, madeAt: wish.now, text }
}
