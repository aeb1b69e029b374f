import { expect, test } from 'vitest'
import { countKeys, countUnsure, isKeyVariable, withoutKeys } from './provider-keys.ts'

test.each([
  ['OPENAI_API_KEY', true],
  ['OPENAI_API_KEYS', true],
  ['ANTHROPIC_API_KEY_2', true],
  ['AWS_SECRET_ACCESS_KEY', true],
  ['GITHUB_TOKEN', true],
  ['MY_PASSWORD', true],
  ['TELEGRAM_BOT_TOKEN', false],
  ['OPENCLAW_GATEWAY_TOKEN', false],
  ['MAX_TOKENS_PER_DAY', false],
  ['KEYBOARD', false],
  ['EDITOR', false],
])('%s holds the key of a provider: %s', (name, is) => expect(isKeyVariable(name)).toBe(is))

test('what a node is known by, and where secrets come from, is left to others; a program that is asked for one stays', () => {
  const config = {
    gateway: { auth: { token: 't' }, remote: { token: 'of another' } },
    hooks: { token: 'h', gmail: { pushToken: 'p' } },
    secrets: { providers: { vault: { source: 'file', path: '/x' } } },
    models: {
      providers: { a: { apiKey: { source: 'exec', provider: 'm', id: 'a' }, maxTokens: 1 } },
    },
  }
  expect(withoutKeys(config)).toEqual({
    ...config,
    gateway: { auth: { token: 't' }, remote: {} },
    hooks: { token: 'h', gmail: {} },
  })
  expect(countKeys(config)).toBe(2)
  expect(countKeys(withoutKeys(config))).toBe(0)
})

const server = (more: object) => ({ mcp: { servers: { demo: more } } })

test('what may be a secret by its looks is counted, ordinary values of variables are not', () => {
  expect(countUnsure(server({ env: { ZONE: 'Europe/Berlin', WORDS: 'some words of mine' } }))).toBe(
    0,
  )
  expect(countUnsure(server({ args: ['--token', 'abc', '--api-key=def'] }))).toBe(2)
  expect(countUnsure(server({ url: 'https://me:secret@example.org/' }))).toBe(1)
  expect(countUnsure(server({ env: { ODD: `sk-${'x'.repeat(20)}` } }))).toBe(1)
})
