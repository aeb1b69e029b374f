import { describe, expect, test } from 'vitest'
import { formatIn } from './format.ts'

const format = formatIn('en')
const plain = (text: string) => text.replace(/\s/g, ' ')

describe('bytes', () => {
  test.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1 kB'],
    [1450, '1.5 kB'],
    [99_960, '100 kB'],
    [999_600, '1 MB'],
    [16_777_216, '16.8 MB'],
    [3_210_000_000_000, '3.2 TB'],
  ])('%d reads %s', (count, text) => expect(plain(format.bytes(count))).toBe(text))
})

describe('ages', () => {
  test.each([
    [0, 'now'],
    [59_000, 'now'],
    [61_000, '1 min. ago'],
    [3_599_000, '59 min. ago'],
    [7_200_000, '2 hr. ago'],
    [86_400_000, 'yesterday'],
    [86_400_000 * 400, 'last yr.'],
  ])('%d ms reads %s', (past, text) =>
    expect(plain(format.age(1_000_000_000_000 - past, 1_000_000_000_000))).toBe(text),
  )

  test('a moment ahead reads as ahead', () => {
    expect(plain(format.age(7_300_000, 0))).toBe('in 2 hr.')
  })
})

describe('durations', () => {
  test.each([
    [850, '850ms'],
    [4_240, '4.2s'],
    [12_900, '12s'],
    [80_000, '1m 20s'],
    [7_500_000, '2h 5m'],
  ])('%d ms reads %s', (ms, text) => expect(plain(format.duration(ms))).toBe(text))
})
