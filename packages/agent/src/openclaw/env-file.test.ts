import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
import { editEnv } from './env-file.ts'

const TEXT = [
  '# of the bot',
  'PLAIN=/home/al/x',
  '  export SPACED = "/home/al/my docs" # why',
  "SINGLE='/home/al'",
  'BACK=`/home/al`',
  'EMPTY=',
  'LINES="a',
  '/home/al/b',
  'c"',
  'URL=http://h/#/home/al',
  'PLAIN=twice\r',
  'no assignment here',
  '',
].join('\n')

test('what is not edited stays byte for byte', () => {
  expect(editEnv(TEXT, ({ value }) => value)).toBe(TEXT)
})

test('sees the assignments that Node sees', () => {
  const seen: Record<string, string> = {}
  editEnv(TEXT, ({ name, value }) => {
    seen[name] = value
    return value
  })
  expect(seen).toEqual(parseEnv(TEXT.replaceAll('\r', '')))
})

test('an edited value keeps its quotes, its comment and everything around it', () => {
  const edited = editEnv(TEXT, ({ value }) => value.replaceAll('/home/al', '/srv/bob'))
  expect(edited).toBe(
    TEXT.replace('#/home/al', '#|').replaceAll('/home/al', '/srv/bob').replace('#|', '#/home/al'),
  )
  expect(parseEnv(edited)['LINES']).toBe('a\n/srv/bob/b\nc')
})

test('a value that comes to need quotes gets them', () => {
  const edited = editEnv('A=/h\nB=/h\nC="/h"', ({ name, value }) =>
    name === 'A' ? '/a b' : name === 'B' ? `/it's #1` : value.replace('/h', '/say "x"'),
  )
  expect(parseEnv(edited)).toEqual({ A: '/a b', B: `/it's #1`, C: '/say "x"' })
})

test('what is taken out leaves its name behind and nothing of its value', () => {
  const text = 'A=1\nTOKEN="sec\nret" # bot\nB=2\n'
  const edited = editEnv(text, ({ name, value }) => (name === 'TOKEN' ? null : value))
  expect(edited).toBe('A=1\n# TOKEN= # bot\nB=2\n')
  expect(parseEnv(edited)).toEqual({ A: '1', B: '2' })
})
