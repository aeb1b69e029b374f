import { expect, test } from 'vitest'
import { judgePassphrase } from './passphrase-meter.ts'

test.each([
  ['', 0, 'passphrase-weak'],
  ['tinyword', 1, 'passphrase-weak'],
  ['twelve chars', 2, 'passphrase-weak'],
  ['My Login Password', 2, 'passphrase-is-password'],
  ['otter lamp gravel mint', 3, undefined],
  ['otter lamp gravel mint canoe quartz', 4, undefined],
] as const)('%j fills %d bars and is refused for %s', (passphrase, bars, refused) =>
  expect(judgePassphrase(passphrase, 'my login password')).toEqual({ bars, refused }),
)
