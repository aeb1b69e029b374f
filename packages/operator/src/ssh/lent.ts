/** A credential in memory, for the length of one loan. */
import {
  OcmError,
  type SshAuth,
  type SshConnection,
  type SshCredential,
  type SshLent,
  utf8,
} from '@ocm/protocol'
import { kindOfKey } from './private-key.ts'

/** As it was typed, pasted or read from a file. */
export interface Typed {
  readonly password?: string
  /** The private key's file, as it is. */
  readonly key?: string
  readonly passphrase?: string
  readonly certificate?: string
  readonly sudoPassword?: string
}

/** @throws OcmError 'ssh-key-unreadable' with `why`, 'wrong-use' when there is neither password nor key */
export function credentialOf({ password, key, ...more }: Typed): SshCredential {
  const sudo =
    more.sudoPassword === undefined || more.sudoPassword === ''
      ? {}
      : { sudoPassword: utf8(more.sudoPassword) }
  return { v: 1, auth: authOf({ ...more, password, key }), ...sudo }
}

function authOf(typed: {
  readonly password: string | undefined
  readonly key: string | undefined
  readonly passphrase?: string
  readonly certificate?: string
}): SshAuth {
  const { password = '', key = '', passphrase = '', certificate = '' } = typed
  if (key !== '') {
    const kind = kindOfKey(key)
    if (kind !== 'open' && kind !== 'locked') {
      throw new OcmError('ssh-key-unreadable', { why: kind })
    }
    if (kind === 'locked' && passphrase === '') throw new OcmError('ssh-passphrase-wrong')
    return {
      kind: 'key',
      // As ssh reads it: it does not take one whose last line has no end.
      key: utf8(`${key.replaceAll('\r\n', '\n').trim()}\n`),
      ...(kind === 'open' ? {} : { passphrase: utf8(passphrase) }),
      ...(certificate === '' ? {} : { certificate: utf8(`${certificate.trim()}\n`) }),
    }
  }
  if (password === '') throw new OcmError('wrong-use', { what: 'There is no credential' })
  return { kind: 'password', password: utf8(password) }
}

export const lentOf = (
  connection: SshConnection,
  credential: SshCredential | undefined,
  join?: string,
): SshLent => ({
  v: 1,
  connection,
  ...(credential === undefined
    ? {}
    : {
        auth: credential.auth,
        ...(credential.jumpAuth === undefined ? {} : { jumpAuth: credential.jumpAuth }),
        ...(credential.sudoPassword === undefined ? {} : { sudoPassword: credential.sudoPassword }),
      }),
  ...(join === undefined ? {} : { join }),
})

/** Overwrites it. What it was typed in cannot be. */
export function wipe({ auth, jumpAuth, sudoPassword }: SshCredential): void {
  for (const one of [auth, jumpAuth]) {
    if (one?.kind === 'password') one.password.fill(0)
    if (one?.kind === 'key') {
      one.key.fill(0)
      one.passphrase?.fill(0)
    }
  }
  sudoPassword?.fill(0)
}
