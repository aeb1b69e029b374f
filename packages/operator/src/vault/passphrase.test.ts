import { nodePrimitives as p } from '@ocm/protocol/node'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { expect, test } from 'vitest'
import { checkPassphrase, proposePassphrase } from './passphrase.ts'

const PASSWORD = 'login-of-olivia'

test('proposes six words out of at least 2048, which pass its own rules', () => {
  expect(new Set(wordlist).size).toBeGreaterThanOrEqual(2048)
  const proposed = proposePassphrase(p)
  expect(proposed.split(' ')).toHaveLength(6)
  expect(() => checkPassphrase(proposed, PASSWORD)).not.toThrow()
  expect(proposePassphrase(p)).not.toBe(proposed)
})

test.each([
  ['the same', 'velvet harbour quartz'],
  ['spaces around it', '  velvet harbour quartz '],
  ['another case', 'Velvet HARBOUR quartz'],
  ['no spaces', 'velvetharbourquartz'],
  ['compatibility letters', 'ｖelvet harbour quartz'],
])('refuses a passphrase that is the password with %s', (_, passphrase) => {
  const check = () => checkPassphrase(passphrase, 'velvet harbour quartz')
  expect(check).toThrow(expect.objectContaining({ code: 'passphrase-is-password' }))
})

test.each([
  ['', 'nothing'],
  ['short', 'a word'],
  ['aaaaaaaaaaaaaaaaaaaaaaaa', 'one letter'],
  ['abcdefabcdefabcdef', 'a piece said three times'],
  ['correct horse battery staple', 'a famous one'],
  ['Correct-Horse-Battery-Staple', 'a famous one in another dress'],
  ['qwertyuiopasdfgh', 'a row of keys'],
])('refuses %j: %s', (passphrase) => {
  const check = () => checkPassphrase(passphrase, PASSWORD)
  expect(check).toThrow(expect.objectContaining({ code: 'passphrase-weak' }))
})

test.each([
  'velvet harbour quartz meadow lantern osprey',
  'Xk3!mQ9z#Lw7pR2v',
  'ada bob cyd dot eve',
])('takes %j', (passphrase) => {
  expect(() => checkPassphrase(passphrase, PASSWORD)).not.toThrow()
})
