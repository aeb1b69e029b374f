import { expect, test } from 'vitest'
import { refusal, worseOf } from './kept.ts'

test('refuses what is older than the one that proved itself, and all up to the highest that did not', () => {
  const known = { runs: 3, good: 5, failed: 8 }
  const asked = [3, 4, 7, 8, 9].map((serial) => refusal(serial, known))
  expect(asked).toEqual(['not newer', 'not newer', 'failed', 'failed', undefined])
  expect(refusal(5, { ...known, failed: null })).toBeUndefined()
})

test('keeps the highest that failed, also when the next cannot be read', () => {
  expect(worseOf(null, 4)).toBe(4)
  expect(worseOf(9, 4)).toBe(9)
  expect(worseOf(9, null)).toBe(9)
})
