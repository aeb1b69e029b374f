/**
 * A new epoch: what is sealed from now on cannot be read by whoever knew the vault before. The root stays, so agents need
 * nothing; the old secret is sealed to the new key, so every snapshot stays readable; every node stores all of its data
 * again at its next backup, because what it referred to is known to the one who left.
 */
import {
  OcmError,
  type Slot,
  type VaultRecord,
  fingerprint,
  handoverSlot,
  newRecoveryCode,
  nextEpoch,
  recoverySlot,
  sealEpoch,
} from '@ocm/protocol'
import { changeVault, provenSlot, slotsOf } from './change.ts'
import { type RecoveryKit, kitOf } from './kit.ts'
import type { Ports } from '../ports.ts'
import { acceptRecord, type Unlocked } from './unlock.ts'

type Operators = VaultRecord['operators']

/** Who comes along, before anything is done. */
export interface EpochPlan {
  readonly removed: Operators
  /** Other operators who take the new key up when they next unlock, with the passphrase they have. */
  readonly handed: Operators
  /** Other operators who stand in the record without a key to hand it to: they have to be admitted again. */
  readonly lost: Operators
}

/** @throws OcmError 'not-found' for an operator who is not in the record; 'wrong-use' for oneself */
export function planEpoch(
  { record, operator }: Pick<Unlocked, 'record' | 'operator'>,
  remove: readonly string[],
): EpochPlan {
  for (const id of remove) {
    if (id === operator.id) {
      throw new OcmError('wrong-use', { what: 'Another operator has to remove you' })
    }
    if (!record.operators.some((one) => one.id === id)) {
      throw new OcmError('not-found', { what: 'operator' })
    }
  }
  const others = record.operators.filter(({ id }) => id !== operator.id && !remove.includes(id))
  return {
    removed: record.operators.filter(({ id }) => remove.includes(id)),
    handed: others.filter(({ box }) => box !== undefined),
    lost: others.filter(({ box }) => box === undefined),
  }
}

export interface NewEpoch {
  readonly epoch: number
  readonly plan: EpochPlan
  /** The only kit that opens this vault from now on. */
  readonly kit: RecoveryKit
  /** Makes it so. Until then nothing was changed. @throws OcmError 'vault-record-stale' when the vault changed meanwhile */
  put(): Promise<void>
  /** Overwrites the new keys. */
  forget(): void
}

/**
 * @param wish.passphrase the one the vault was opened with; it opens the new epoch too.
 * @throws OcmError 'passphrase-wrong', 'not-found', 'wrong-use'
 */
export async function beginEpoch(
  ports: Ports,
  unlocked: Unlocked,
  wish: { readonly passphrase: string; readonly name: string; readonly remove?: readonly string[] },
): Promise<NewEpoch> {
  const { p, now } = ports
  const { vault, operator } = unlocked
  const state = await ports.api.vault()
  const before = await acceptRecord(ports, unlocked, state)
  if (before.epoch !== vault.epoch) throw new OcmError('vault-record-stale')
  const plan = planEpoch({ record: before, operator }, wish.remove ?? [])
  const gone = new Set([...plan.removed, ...plan.lost].map(({ id }) => id))
  const next = nextEpoch(p, vault)
  const code = newRecoveryCode(p)
  const mine = await provenSlot(p, { vault: next, operator }, wish.passphrase)
  const slots: Slot[] = [
    mine,
    recoverySlot(p, next, code),
    // With the slot they have, whose passphrase only they know, they open what is handed to them.
    ...slotsOf(state).filter(
      (slot) => slot.kind === 'passphrase' && plan.handed.some(({ id }) => id === slot.operator),
    ),
    ...plan.handed.map(({ id, box }) => handoverSlot(p, next, id, box as Uint8Array)),
  ]
  const record: VaultRecord = {
    ...before,
    serial: before.serial + 1,
    epoch: next.epoch,
    sealing: next.sealing.public,
    operators: before.operators.filter(({ id }) => !gone.has(id)),
    at: now(),
  }
  const hub = fingerprint(p, unlocked.hub)
  const about = { name: wish.name, now: now(), epoch: next.epoch }
  return {
    epoch: next.epoch,
    plan,
    kit: kitOf(code, fingerprint(p, vault.root.public), hub, about),
    async put() {
      await changeVault(ports, unlocked, state, {
        slots,
        record,
        ended: sealEpoch(p, vault, next),
      })
    },
    forget: () => void next.sealing.secret.fill(0),
  }
}
