/** `ocm vault`: what it holds, another passphrase, a new epoch, and back in with the printed kit. */
import {
  OcmError,
  type VaultRecord,
  fingerprint,
  fromBase64url,
  readVaultRecord,
} from '@ocm/protocol'
import { connect } from '../node.ts'
import { type EpochPlan, beginEpoch, planEpoch } from '../vault/epoch.ts'
import { serialSeen } from '../vault/memory.ts'
import { recoverVault } from '../vault/recover.ts'
import { changePassphrase } from '../vault/rewrap.ts'
import { openVault, servedVault } from '../vault/unlock.ts'
import { proposePassphrase } from '../vault/passphrase.ts'
import type { Context } from './context.ts'
import { count, short, table, time } from './format.ts'
import { askNewPassphrase, askPassphrase, askPassword, askRecoveryCode } from './secrets.ts'
import { writeKit } from './setup.ts'

/** Without the passphrase: the record is signed by the root that this machine has pinned. */
export async function showVault({ terminal, ports }: Context): Promise<void> {
  const { p, memory } = ports
  const { state, id, root } = await servedVault(ports)
  const seen = await serialSeen(memory, id)
  const record = readVaultRecord(p, root, fromBase64url(state.record), seen)
  const me = await ports.api.me()
  const operators = record.operators.map((one) => ({
    id: one.id,
    fingerprint: fingerprint(p, one.key),
    you: one.id === me.operator,
    slots: state.slots.filter((slot) => slot.operator === one.id).map(({ kind }) => kind),
  }))
  const rows = operators.map((one) => [
    one.you ? `${short(one.id)} (you)` : short(one.id),
    one.fingerprint,
    one.slots.includes('handover') ? 'takes the new epoch up at the next unlock' : '',
  ])
  terminal.result(
    {
      vault: id,
      fingerprint: fingerprint(p, root),
      hub: fingerprint(p, fromBase64url(state.hubKey)),
      serial: record.serial,
      epoch: record.epoch,
      sealedEpochs: state.epochs.map((ended) => ended.epoch),
      at: record.at,
      operators,
      nodes: record.nodes.length,
      revoked: record.revoked.length,
      recoveryCode: state.slots.some(({ kind }) => kind === 'recovery'),
    },
    [
      `Vault        ${fingerprint(p, root)}`,
      `Hub          ${fingerprint(p, fromBase64url(state.hubKey))}`,
      `Epoch        ${record.epoch}${endedText(state.epochs)}`,
      `Record       ${record.serial}, of ${time(record.at)}`,
      `Nodes        ${record.nodes.length} trusted, ${record.revoked.length} retired`,
      '',
      table(['OPERATOR', 'KEY', ''], rows),
    ].join('\n'),
  )
}

const endedText = (ended: readonly unknown[]) =>
  ended.length === 0 ? '' : ` (${count(ended.length, 'older one')} still to be read)`

export async function passphrase(context: Context): Promise<void> {
  const { terminal, ports, known } = context
  if (!known) throw new OcmError('login-needed')
  const me = await ports.api.me()
  const unlocked = await openVault(ports, await askPassphrase(terminal))
  try {
    const password = await provenPassword(context, me.name)
    const wanted = await askNewPassphrase(terminal, proposePassphrase(ports.p), password)
    await changePassphrase(ports, unlocked, { passphrase: wanted, password })
    terminal.result(
      { operator: me.operator, changed: true },
      'The new passphrase opens the vault, the old one does not. The recovery kit stays good.\n' +
        'If somebody knows the old one, begin a new epoch too: ocm vault epoch.',
    )
  } finally {
    unlocked.close()
  }
}

export interface EpochOptions {
  readonly remove?: readonly string[]
  readonly kit?: string
}

export async function epoch(context: Context, given: EpochOptions): Promise<void> {
  const { terminal, ports, known } = context
  if (!known) throw new OcmError('login-needed')
  const me = await ports.api.me()
  const secret = await askPassphrase(terminal)
  const unlocked = await openVault(ports, secret)
  try {
    const remove = (given.remove ?? []).map((name) => operatorNamed(unlocked.record, name))
    terminal.say(planText(planEpoch(unlocked, remove)))
    const sure = await terminal.approve('Begin a new epoch of the vault?')
    if (!sure) throw new OcmError('declined')
    const next = await beginEpoch(ports, unlocked, { passphrase: secret, name: me.name, remove })
    try {
      if (given.kit !== undefined) await writeKit(given.kit, next.kit.text)
      if (!terminal.json) terminal.result(undefined, next.kit.text)
      const kept = await terminal.approve(
        'Have you printed this kit? The old one opens nothing then.',
      )
      if (!kept) throw new OcmError('declined')
      await next.put()
      const done = `Epoch ${next.epoch} has begun. Every node stores all of its data again at its next backup.`
      terminal.say(done)
      if (terminal.json) {
        const { plan, kit } = next
        terminal.result({ epoch: next.epoch, ...namesOf(plan), kit }, '')
      }
    } finally {
      next.forget()
    }
  } finally {
    unlocked.close()
  }
}

const namesOf = ({ removed, handed, lost }: EpochPlan) => ({
  removed: removed.map(({ id }) => id),
  handed: handed.map(({ id }) => id),
  lost: lost.map(({ id }) => id),
})

const list = (what: string, of: EpochPlan['removed']) =>
  of.length === 0 ? [] : [`${what}: ${of.map(({ id }) => short(id)).join(', ')}`]

function planText({ removed, handed, lost }: EpochPlan): string {
  return [
    'A new epoch: what nodes store from now on does not open with what anybody knew of the vault before.',
    'What was stored until now stays readable, for you and for whoever copied the old keys and reaches the store.',
    ...list('Removed', removed),
    ...list('Take it up with their own passphrase at the next unlock', handed),
    ...list('Cannot take it up, and have to be admitted again', lost),
    ...(removed.length === 0
      ? []
      : [
          'Whoever is removed may have read every credential in the backups until now:',
          'change API keys, bot tokens and OAuth logins at their providers.',
        ]),
  ].join('\n')
}

/** @throws OcmError 'not-found' or, when it fits several, 'wrong-use' */
function operatorNamed({ operators }: VaultRecord, name: string): string {
  const fitting = operators.filter(({ id }) => name !== '' && id.startsWith(name))
  const [one, another] = fitting
  if (one === undefined) throw new OcmError('not-found', { what: 'operator' })
  if (another !== undefined) {
    throw new OcmError('wrong-use', { what: `“${name}” fits more than one operator` })
  }
  return one.id
}

export async function recover(context: Context): Promise<void> {
  const { terminal, ports, known } = context
  if (!known) throw new OcmError('login-needed')
  const me = await ports.api.me()
  const password = await provenPassword(context, me.name)
  const code = await askRecoveryCode(terminal)
  const wanted = await askNewPassphrase(terminal, proposePassphrase(ports.p), password)
  const serial = await recoverVault(ports, { code, passphrase: wanted, password })
  terminal.result(
    { operator: me.operator, serial, recovered: true },
    'The new passphrase opens the vault, and you have a new signing key. The recovery kit stays good.\n' +
      'If somebody else may know the code, begin a new epoch: ocm vault epoch.',
  )
}

/**
 * The passphrase may not be the login password, and whoever left a terminal open has not left the vault's slots to the
 * next one who comes by.
 */
async function provenPassword({ terminal, ports }: Context, name: string): Promise<string> {
  const password = await askPassword(terminal)
  const { api } = connect({ url: ports.api.url })
  await api.login(name, password)
  await api.logout()
  return password
}
