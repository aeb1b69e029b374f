/** Passphrases and passwords: from a file named in the environment, from whoever sits there, or from stdin. Never from arguments. */
import { readFile, stat } from 'node:fs/promises'
import { OcmError } from '@ocm/protocol'
import { isLoopback } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** `OCM_PASSPHRASE_FILE` is a standing unlock: who can read it can read every backup. */
export const askPassphrase = (terminal: Terminal): Promise<string> =>
  secretOf(terminal, 'OCM_PASSPHRASE_FILE', 'Vault passphrase')

export const askPassword = (terminal: Terminal): Promise<string> =>
  secretOf(terminal, 'OCM_PASSWORD_FILE', 'Login password')

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
