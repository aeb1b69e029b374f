/** What a command is handed: the terminal, the hub, and how to open the vault. */
import { OcmError } from '@ocm/protocol'
import { connect } from '../node.ts'
import { type Confirmation, confirmNodes } from '../vault/nodes.ts'
import type { Ports } from '../ports.ts'
import { type Unlocked, openVault } from '../vault/unlock.ts'
import { count } from './format.ts'
import { askPassphrase } from './secrets.ts'
import { type Access, accessOf, memoryFileOf } from './settings.ts'
import { type Terminal, openTerminal } from './terminal.ts'

export interface GlobalOptions {
  readonly json?: boolean
  readonly yes?: boolean
  readonly url?: string
  readonly certificate?: string
}

export interface Context {
  readonly terminal: Terminal
  readonly ports: Ports
  /** How `ports` reaches the hub, for threads that ask it themselves. */
  readonly access: Access
  /** What would be asked is approved beforehand. */
  readonly yes: boolean
  /** True when a token is at hand. */
  readonly known: boolean
}

export async function contextOf(proc: NodeJS.Process, options: GlobalOptions): Promise<Context> {
  const { json = false, yes = false } = options
  const terminal = openTerminal(proc, { json, yes })
  const access = await accessOf(proc.env, options.url, options.certificate)
  const { token, ...reached } = access
  const memory = memoryFileOf(proc.env)
  const ports = connect({ ...reached, memory, ...(token === undefined ? {} : { token }) })
  return { terminal, ports, access, yes, known: token !== undefined }
}

/** Asks for the passphrase, opens the vault for `work` and closes it again. */
export async function withVault<T>(
  { terminal, ports, known }: Context,
  work: (unlocked: Unlocked) => Promise<T>,
): Promise<T> {
  // Before the question: nobody should type a passphrase for nothing.
  if (!known) throw new OcmError('login-needed')
  await ports.api.me()
  const opened = await openVault(ports, await askPassphrase(terminal))
  try {
    const { unlocked, ...confirmation } = await confirmNodes(ports, opened)
    sayConfirmation(terminal, confirmation)
    return await work(unlocked)
  } finally {
    opened.close()
  }
}

export function sayConfirmation(
  terminal: Terminal,
  { confirmed, alarms }: Omit<Confirmation, 'unlocked'>,
): void {
  for (const node of confirmed)
    terminal.say(`Confirmed: ${node.label} proved that it joined with your ticket.`)
  for (const node of alarms) {
    terminal.say(
      `Warning: the key that the hub shows for ${node.label} (${node.id}) is not the one that joined. ` +
        'It receives neither order nor key. Compare with `ocm-agent status` on the node.',
    )
  }
  if (alarms.length > 0) terminal.say(`${count(alarms.length, 'node')} refused.`)
}
