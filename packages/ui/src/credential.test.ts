import { describe, expect, test } from 'vitest'
import { emptyDraft, isComplete, keyKindOf, typedOf } from './credential.ts'

const NO_SUDO = { sudo: false }
const pem = (kind: string) => `-----BEGIN ${kind}-----\nMC4=\n-----END ${kind}-----`

describe('a credential that is typed', () => {
  test('is complete with a password', () => {
    const draft = emptyDraft('password')
    expect(isComplete(draft, NO_SUDO)).toBe(false)
    expect(isComplete({ ...draft, password: 'secret' }, NO_SUDO)).toBe(true)
  })

  test('is complete with a key, and with the passphrase of one that needs it', () => {
    const draft = emptyDraft('key')
    expect(keyKindOf(draft)).toBe(undefined)
    expect(isComplete({ ...draft, key: 'ssh-ed25519 AAAA' }, NO_SUDO)).toBe(false)
    expect(isComplete({ ...draft, key: pem('PRIVATE KEY') }, NO_SUDO)).toBe(true)
    const locked = { ...draft, key: pem('ENCRYPTED PRIVATE KEY') }
    expect(isComplete(locked, NO_SUDO)).toBe(false)
    expect(isComplete({ ...locked, passphrase: 'secret' }, NO_SUDO)).toBe(true)
  })

  test('lacks the password of sudo where sudo asks', () => {
    const draft = { ...emptyDraft('password'), password: 'secret' }
    expect(isComplete(draft, { sudo: true })).toBe(false)
    expect(isComplete({ ...draft, sudoPassword: 'another' }, { sudo: true })).toBe(true)
  })

  test('takes nothing along that was typed for something else', () => {
    const draft = {
      method: 'password',
      password: 'secret',
      key: 'a key',
      passphrase: 'p',
      certificate: 'c',
      sudoPassword: 's',
    } as const
    expect(typedOf(draft, NO_SUDO)).toEqual({ password: 'secret' })
    expect(typedOf({ ...draft, method: 'key' }, { sudo: true })).toEqual({
      key: 'a key',
      passphrase: 'p',
      certificate: 'c',
      sudoPassword: 's',
    })
  })
})
