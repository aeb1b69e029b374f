/** A credential as it is being typed, and what is wrong with it before anything is sent. */
import { type KeyKind, type Typed, kindOfKey } from '@ocm/operator'
import type { SshMethod } from '@ocm/protocol'

export type LentMethod = Exclude<SshMethod, 'agent'>

export interface CredentialDraft {
  readonly method: LentMethod
  readonly password: string
  readonly key: string
  readonly passphrase: string
  readonly certificate: string
  readonly sudoPassword: string
}

/** What is asked for besides a password or a key. */
export interface Wanted {
  /** sudo asks for a password there. */
  readonly sudo: boolean
}

export const emptyDraft = (method: LentMethod): CredentialDraft => ({
  method,
  password: '',
  key: '',
  passphrase: '',
  certificate: '',
  sudoPassword: '',
})

/** Undefined while nothing is pasted. */
export const keyKindOf = ({ method, key }: CredentialDraft): KeyKind | undefined =>
  method === 'key' && key.trim() !== '' ? kindOfKey(key) : undefined

export function isComplete(draft: CredentialDraft, { sudo }: Wanted): boolean {
  if (sudo && draft.sudoPassword === '') return false
  if (draft.method === 'password') return draft.password !== ''
  const kind = keyKindOf(draft)
  return kind === 'open' || (kind === 'locked' && draft.passphrase !== '')
}

/** Nothing of what was typed under another method, or for a sudo that is not asked, goes along. */
export function typedOf(draft: CredentialDraft, { sudo }: Wanted): Typed {
  const { method, password, key, passphrase, certificate, sudoPassword } = draft
  return {
    ...(method === 'password' ? { password } : { key, passphrase, certificate }),
    ...(sudo ? { sudoPassword } : {}),
  }
}
