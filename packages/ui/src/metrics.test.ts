import type { SnapshotState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { changesSince } from './metrics.ts'

const snapshot = (metrics: Partial<SnapshotState['metrics']>) =>
  ({
    metrics: {
      files: 10,
      personas: 2,
      cronJobs: 5,
      authProfiles: 1,
      plugins: 0,
      skills: 0,
      channels: 1,
      pairings: 0,
      sessions: 4,
      ...metrics,
    },
  }) as Pick<SnapshotState, 'metrics'>

test('five cron jobs fewer is a loss', () => {
  expect(changesSince(snapshot({}), snapshot({ cronJobs: 0 }))).toEqual([
    { kind: 'cronJobs', by: -5, lost: true },
  ])
})

test('fewer files and conversations are everyday work', () => {
  expect(changesSince(snapshot({}), snapshot({ files: 8, sessions: 3 }))).toEqual([
    { kind: 'sessions', by: -1, lost: false },
    { kind: 'files', by: -2, lost: false },
  ])
})

test('what did not change is not told', () => {
  expect(changesSince(snapshot({}), snapshot({}))).toEqual([])
})
