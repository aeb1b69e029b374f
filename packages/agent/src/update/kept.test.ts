import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeDurable } from '../store/durable.ts'
import { programOf, refusal, removeOtherPrograms, worseOf } from './kept.ts'

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

test('of the programs that were fetched only the one that proved itself stays', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ocm-kept-'))
  try {
    for (const serial of [2, 3, 12]) await writeDurable(programOf(stateDir, serial), 'program')
    await writeDurable(`${programOf(stateDir, 9)}.tmp`, 'cut off while it was written')
    await removeOtherPrograms(stateDir, 3)
    expect(readdirSync(join(stateDir, 'updates'))).toEqual(['3.mjs'])
  } finally {
    rmSync(stateDir, { recursive: true })
  }
})
