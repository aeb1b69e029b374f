import JSON5 from 'json5'
import { expect, test } from 'vitest'
import { editJson5 } from './config-edit.ts'

const TEXT = `// mine
{
  // where it works
  agents: { defaults: { workspace: '/home/al/ws', }, }, /* all */
  "channels": { telegram: { groups: { "-1001234567890": { requireMention: true }, }, enabled: true, }, },
  list: ['/home/al/a', "/b",], // two
  big: 1e3,
}
`
type Any = any

test('a change keeps comments and everything that does not change', () => {
  const edited = editJson5(TEXT, (value) => ({
    ...(value as Any),
    agents: { defaults: { workspace: '/srv/bob/ws' } },
    list: ['/srv/bob/a', '/b'],
  }))
  const quoted = TEXT.replace(/'(\/home\/al[^']*)'/g, '"$1"')
  expect(edited).toBe(quoted.replaceAll('/home/al', '/srv/bob'))
})

test('no change is no change', () => {
  expect(editJson5(TEXT, (value) => structuredClone(value))).toBe(TEXT)
})

test('fields come, go and change their kind', () => {
  const edited = editJson5(TEXT, (value) => {
    const { list: _, ...rest } = value as Any
    const telegram = { ...rest.channels.telegram, enabled: false }
    return { ...rest, channels: { telegram }, gateway: { port: 1 } }
  })
  expect(JSON5.parse(edited)).toMatchObject({
    gateway: { port: 1 },
    channels: {
      telegram: { enabled: false, groups: { '-1001234567890': { requireMention: true } } },
    },
  })
  expect(JSON5.parse(edited)).not.toHaveProperty('list')
  expect(edited).toContain('// where it works')
})

test('a key of digits that is added stays the key it was', () => {
  const edited = editJson5('{ groups: {} }', () => ({ groups: { '-100123': {}, '007': 1 } }))
  expect(JSON5.parse(edited)).toEqual({ groups: { '-100123': {}, '007': 1 } })
})

test('what is not JSON5 is refused', () => {
  expect(() => editJson5('{ a: ', (value) => value)).toThrow(SyntaxError)
})

test('an edit that would say something else is refused', () => {
  expect(() => editJson5('{ a: 1 }', () => ({ b: undefined }))).toThrow(
    expect.objectContaining({ code: 'config-not-editable' }),
  )
})
