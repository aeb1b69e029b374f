// @vitest-environment node
import type { PrunePreview } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { PROPOSED, formOf, isSamePolicy, policyOf, pruningsOf } from './keeping.ts'

test('a policy comes back from the form as it went in, without its zeros', () => {
  expect(policyOf(formOf(PROPOSED))).toEqual(PROPOSED)
  expect(policyOf(formOf({ daily: 0, weekly: 3 }))).toEqual({ weekly: 3 })
})

const verdict = (seq: number, keep: 'newest'[]) => ({
  id: String(seq).repeat(64),
  seq,
  receivedAt: seq,
  keep,
})

test('policies are the same when they keep the same, named or not, and none is not one of zeros', () => {
  expect(isSamePolicy({ daily: 3 }, { weekly: 0, daily: 3 })).toBe(true)
  expect(isSamePolicy({ daily: 3 }, { daily: 4 })).toBe(false)
  expect(isSamePolicy({}, null)).toBe(false)
  expect(isSamePolicy(null, null)).toBe(true)
})

test('a preview is told apart into what goes and what stays', () => {
  const preview: PrunePreview = {
    nodes: [
      {
        node: 'a'.repeat(32),
        policy: {},
        snapshots: [verdict(2, ['newest']), verdict(1, [])],
        bytes: 7,
      },
    ],
    lock: { days: 14, last: 7 },
    graceHours: 72,
  }
  const [one] = pruningsOf(preview)
  expect(one?.going.map(({ seq }) => seq)).toEqual([1])
  expect(one?.staying.map(({ seq }) => seq)).toEqual([2])
  expect(one?.bytes).toBe(7)
})
