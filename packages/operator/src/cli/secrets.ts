/** Passphrases and passwords: from a file named in the environment, from whoever sits there, or from stdin. Never from arguments. */
import { readFile, stat } from 'node:fs/promises'
import { OcmError } from '@ocm/protocol'
import { checkPassphrase } from '../vault/passphrase.ts'
import { isLoopback } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** `OCM_PASSPHRASE_FILE` is a standing unlock: who can read it can read every backup. */
export const askPassphrase = (terminal: Terminal): Promise<string> =>
  secretOf(terminal, 'OCM_PASSPHRASE_FILE', 'Vault passphrase')

export const askPassword = (terminal: Terminal): Promise<string> =>
  secretOf(terminal, 'OCM_PASSWORD_FILE', 'Login password')

export const askRecoveryCode = (terminal: Terminal): Promise<string> =>
  secretOf(terminal, 'OCM_RECOVERY_CODE_FILE', 'Recovery code')

/**
 * A passphrase to be, with a proposal; asked for twice where somebody sits.
 * @param variable names the file it is taken from where nobody does.
 * @throws OcmError 'passphrase-weak', 'passphrase-is-password'
 */
export async function askNewPassphrase(
  terminal: Terminal,
  proposed: string,
  password: string,
  variable = 'OCM_NEW_PASSPHRASE_FILE',
): Promise<string> {
  const given = await secretFromFile(terminal, variable)
  if (given !== undefined || !terminal.attended) {
    const passphrase = given ?? (await terminal.ask('New vault passphrase', 'secret'))
    checkPassphrase(passphrase, password)
    return passphrase
  }
  terminal.say('The vault passphrase opens the backups. It never leaves this machine. A proposal:')
  terminal.say(`\n  ${proposed}\n`)
  for (;;) {
    const first = await terminal.ask('New vault passphrase (empty: take the proposal)', 'secret')
    const passphrase = first === '' ? proposed : first
    try {
      checkPassphrase(passphrase, password)
    } catch (error) {
      if (!(error instanceof OcmError)) throw error
      terminal.say(`${error.message} ${error.next}`)
      continue
    }
    if ((await terminal.ask('The same again', 'secret')) === passphrase) return passphrase
    terminal.say('The two are not the same.')
  }
}

async function secretOf(terminal: Terminal, variable: string, question: string): Promise<string> {
  return (await secretFromFile(terminal, variable)) ?? terminal.ask(question, 'secret')
}

/** @throws OcmError 'secret-file-exposed', 'wrong-use' */
export async function secretFromFile(
  { env }: Terminal,
  variable: string,
): Promise<string | undefined> {
  const path = env[variable]
  if (path === undefined || path === '') return undefined
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0) throw new OcmError('secret-file-exposed', { what: variable })
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (cause) {
    if (cause instanceof OcmError) throw cause
    throw new OcmError(
      'wrong-use',
      { what: `The file that ${variable} names cannot be read` },
      { cause },
    )
  }
}

export function warnOfPlainHttp(terminal: Terminal, url: string): void {
  if (url.startsWith('https:') || isLoopback(url)) return
  terminal.say(`Note: ${url} is not encrypted; the login password can be read on the way.`)
}
