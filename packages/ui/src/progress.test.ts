import type { Job } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { type Step, elapsed, shareDone, stepAtHand } from './progress.ts'

const step = (name: string, state: Step['state'], done = 0, total = 0): Step => ({
  name,
  state,
  startedAt: null,
  endedAt: null,
  phase: '',
  progress: { done, total, unit: 'bytes' },
})
const job = (state: Job['state'], ...steps: Step[]) => ({ state, steps }) as unknown as Job

test('the step that runs is at hand, then the one that failed, then the next', () => {
  expect(stepAtHand(job('running', step('a', 'done'), step('b', 'running')))?.name).toBe('b')
  expect(stepAtHand(job('failed', step('a', 'failed'), step('b', 'pending')))?.name).toBe('a')
  expect(stepAtHand(job('queued', step('a', 'pending')))?.name).toBe('a')
})

test('nobody claims a share of an unknown whole', () => {
  expect(shareDone(job('running', step('a', 'running', 10, 0)))).toBe(undefined)
  expect(shareDone(job('running', step('a', 'running', 10, 40)))).toBe(0.25)
})

test('what was sent twice does not make more than all of it', () => {
  expect(shareDone(job('running', step('a', 'running', 50, 40)))).toBe(1)
})

test('time stops when the job does, and never runs backwards', () => {
  expect(elapsed({ startedAt: 100, endedAt: null }, 350)).toBe(250)
  expect(elapsed({ startedAt: 100, endedAt: 200 }, 350)).toBe(100)
  expect(elapsed({ startedAt: 400, endedAt: null }, 350)).toBe(0)
  expect(elapsed({ startedAt: null, endedAt: null }, 350)).toBe(0)
})
