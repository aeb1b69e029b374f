import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { kindOfKey } from './private-key.ts'

const ground = mkdtempSync(join(tmpdir(), 'ocm-keys-'))
afterAll(() => rmSync(ground, { recursive: true }))

/** @returns private and public key as ssh-keygen writes them. */
function made(name: string, ...args: readonly string[]): readonly [string, string] {
  const path = join(ground, name)
  execFileSync('ssh-keygen', ['-q', '-f', path, ...args])
  return [readFileSync(path, 'utf8'), readFileSync(`${path}.pub`, 'utf8')]
}

describe('a private key', () => {
  test.each([
    ['open', 'ed25519', ['-t', 'ed25519', '-N', '']],
    ['locked', 'ed25519 under a passphrase', ['-t', 'ed25519', '-N', 'a passphrase']],
    ['open', 'ecdsa in PEM', ['-t', 'ecdsa', '-m', 'PEM', '-N', '']],
    [
      'locked',
      'rsa in PEM under a passphrase',
      ['-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'abcde'],
    ],
    ['open', 'rsa in PKCS8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8', '-N', '']],
  ] as const)('that is %s: %s', (kind, name, args) => {
    const [secret, open] = made(name.replaceAll(' ', '-'), ...args)
    expect([kindOfKey(secret), kindOfKey(open)]).toEqual([kind, 'public'])
    // As pasted from a page.
    expect(kindOfKey(`\n  ${secret.replaceAll('\n', '\r\n')}`)).toBe(kind)
  })

  test('in PKCS8 under a passphrase is locked', () => {
    const { privateKey } = generateKeyPairSync('ed25519', {
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    })
    expect(kindOfKey(privateKey)).toBe('locked')
  })

  test.each([
    ['none', ''],
    ['none', 'a password'],
    ['none', '-----BEGIN OPENSSH PRIVATE KEY-----\nnot it\n-----END OPENSSH PRIVATE KEY-----'],
    ['none', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE'],
    ['putty', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none'],
    ['public', '-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----'],
  ])('%s: %j', (kind, text) => expect(kindOfKey(text)).toBe(kind))
})
