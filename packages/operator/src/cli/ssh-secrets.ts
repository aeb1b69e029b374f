/** Credentials for ssh: from a file named in the environment, from a file that is the key, or from whoever sits there. */
import { readFile, stat } from 'node:fs/promises'
import { OcmError, type SshAuth, type SshConnection, type SshCredential } from '@ocm/protocol'
import { credentialOf } from '../ssh/lent.ts'
import { kindOfKey } from '../ssh/private-key.ts'
import { secretFromFile } from './secrets.ts'
import type { Terminal } from './terminal.ts'

export interface CredentialOptions {
  /** A private key's file. */
  readonly key?: string
  readonly password?: boolean
  readonly keyCertificate?: string
  /** For the host on the way, where the other credential does not serve there too. */
  readonly jumpKey?: string
  readonly jumpPassword?: boolean
}

/**
 * @param connection says with what one logs in there.
 * @throws OcmError 'secret-file-exposed', 'wrong-use', 'ssh-key-unreadable'
 */
export async function askCredential(
  terminal: Terminal,
  label: string,
  connection: SshConnection,
  options: CredentialOptions = {},
): Promise<SshCredential> {
  const at = `${connection.user}@${label}`
  const typed =
    connection.method === 'key'
      ? await askKey(terminal, at, 'OCM_SSH', options.key, options.keyCertificate)
      : { password: await ask(terminal, 'OCM_SSH_PASSWORD_FILE', `Password of ${at}`) }
  const sudoPassword =
    connection.sudo?.password === true
      ? await ask(terminal, 'OCM_SSH_SUDO_PASSWORD_FILE', `Password for sudo of ${at}`)
      : ''
  const jumpAuth = await askJump(terminal, connection, options)
  return {
    ...credentialOf({ ...typed, sudoPassword }),
    ...(jumpAuth === undefined ? {} : { jumpAuth }),
  }
}

async function askJump(
  terminal: Terminal,
  { jump }: SshConnection,
  { jumpKey, jumpPassword }: CredentialOptions,
): Promise<SshAuth | undefined> {
  if (jump === undefined) return undefined
  const isNamed = (variable: string) => (terminal.env[variable] ?? '') !== ''
  const byKey = jumpKey !== undefined || isNamed('OCM_SSH_JUMP_KEY_FILE')
  const byPassword = jumpPassword === true || isNamed('OCM_SSH_JUMP_PASSWORD_FILE')
  if (!byKey && !byPassword) return undefined
  const at = `${jump.user}@${jump.host}`
  const typed = byKey
    ? await askKey(terminal, at, 'OCM_SSH_JUMP', jumpKey)
    : { password: await ask(terminal, 'OCM_SSH_JUMP_PASSWORD_FILE', `Password of ${at}`) }
  return credentialOf(typed).auth
}

async function ask(terminal: Terminal, variable: string, question: string): Promise<string> {
  return (await secretFromFile(terminal, variable)) ?? terminal.ask(question, 'secret')
}

async function askKey(
  terminal: Terminal,
  at: string,
  variables: string,
  path: string | undefined,
  certificate?: string,
) {
  const key =
    (path === undefined ? await secretFromFile(terminal, `${variables}_KEY_FILE`) : undefined) ??
    (await keyIn(path ?? (await terminal.ask(`File of the private key for ${at}`, 'shown'))))
  const isLocked = kindOfKey(key) === 'locked'
  return {
    key,
    ...(isLocked
      ? {
          passphrase: await ask(
            terminal,
            `${variables}_PASSPHRASE_FILE`,
            `Passphrase of the private key for ${at}`,
          ),
        }
      : {}),
    ...(certificate === undefined ? {} : { certificate: await textIn(certificate) }),
  }
}

/** As strict as ssh itself is about its own key files. */
async function keyIn(path: string): Promise<string> {
  const text = await textIn(path)
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new OcmError('secret-file-exposed', { what: '--key' })
  }
  return text
}

async function textIn(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new OcmError('wrong-use', { what: `The file ${path} cannot be read` }, { cause })
  }
}
