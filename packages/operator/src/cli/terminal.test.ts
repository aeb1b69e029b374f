import { pathFromBytes } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { visible } from './terminal.ts'

test.each([
  ['a colour', '\u{1b}[31mred', String.raw`\u{1b}[31mred`],
  ['a carriage return', 'safe\rEVIL', String.raw`safe\u{d}EVIL`],
  ['text that runs backwards', 'a\u{202e}b', String.raw`a\u{202e}b`],
  ['bytes that are no text', pathFromBytes(Uint8Array.of(0x61, 0xff)), String.raw`a\xff`],
  ['ordinary text', 'Größe 10\tµm\n', 'Größe 10\tµm\n'],
])('%s cannot command the terminal', (_, from, to) => {
  expect(visible(from)).toBe(to)
})
