import { OcmError } from '@ocm/protocol'
import { expect, it } from 'vitest'
import { delayAfter } from './delay.ts'

const lost = new OcmError('link-lost')

it.each([
  [0, 1_000],
  [1, 2_000],
  [5, 32_000],
  [6, 60_000],
  [2_000, 60_000],
])('after %i failures in a row waits anywhere below %i ms', (failures, bound) => {
  expect(delayAfter(lost, failures, 0, false)).toBe(0)
  expect(delayAfter(lost, failures, 0.5, false)).toBe(bound / 2)
})

it('is soon back while others wait for it, however often the link was cut', () => {
  for (const failures of [2, 6, 2_000]) expect(delayAfter(lost, failures, 0.5, true)).toBe(1500)
  expect(delayAfter(new OcmError('node-revoked'), 0, 0, true)).toBe(600_000)
})

it('stays away for minutes when only an operator can change something', () => {
  expect(delayAfter(new OcmError('node-revoked'), 0, 0, false)).toBe(600_000)
  expect(delayAfter(new OcmError('hub-key-changed'), 0, 0, false)).toBe(300_000)
  expect(delayAfter(new OcmError('link-replaced'), 0, 0, false)).toBe(60_000)
})
