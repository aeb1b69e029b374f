import { expect, test } from 'vitest'
import { isLastGroup, secretIn } from './setup-link.ts'

test.each([
  ['#abcdefghijklmnop-_12', 'abcdefghijklmnop-_12'],
  ['http://127.0.0.1:8001/setup#abcdefghijklmnop ', 'abcdefghijklmnop'],
  ['abcdefghijklmnop', 'abcdefghijklmnop'],
  ['#short', ''],
  ['http://127.0.0.1:8001/setup', ''],
  ['', ''],
])('the secret in %j is %j', (text, secret) => expect(secretIn(text)).toBe(secret))

test('the kit is acknowledged by the last group of its code, whatever the case', () => {
  expect(isLastGroup('ab12-cd34-ef56', 'EF56 ')).toBe(true)
  expect(isLastGroup('ab12-cd34-ef56', '-ef56')).toBe(true)
  expect(isLastGroup('ab12-cd34-ef56', 'cd34')).toBe(false)
  expect(isLastGroup('ab12-cd34-ef56', '')).toBe(false)
})
