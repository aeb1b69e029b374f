import type { Inventory } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { compareInventories } from './compare.ts'

const job = (id: string, more: object = {}) => ({
  id,
  name: id,
  user: true,
  enabled: true,
  persona: 'main',
  schedule: '1h',
  ...more,
})
const inventory = (more: Partial<Inventory> = {}): Inventory => ({
  personas: ['main', 'work'],
  cron: [job('one')],
  authProfiles: ['provider:main'],
  plugins: [],
  skills: ['skill'],
  channels: ['telegram'],
  pairings: 2,
  sessions: { main: ['s1'] },
  ...more,
})

test('equal lists are equal', () => {
  expect(compareInventories(inventory(), inventory(), 'move')).toEqual({
    equal: true,
    lost: [],
    missing: [],
  })
})

test('what is gone is named, also a conversation and a job that was switched off', () => {
  const now = inventory({
    personas: ['main'],
    cron: [job('one', { enabled: false })],
    sessions: {},
    pairings: 0,
  })
  const { equal, lost, missing } = compareInventories(inventory(), now, 'restore')
  expect(equal).toBe(false)
  expect(lost).toEqual([
    'persona work',
    'cron job one one main 1h true',
    'pairings 2',
    'conversation main s1',
  ])
  expect(missing).toEqual(['persona work', 'conversation main s1'])
})

test('what was not there before makes them differ and is not a loss', () => {
  const now = inventory({ skills: ['skill', 'another'] })
  expect(compareInventories(inventory(), now, 'move')).toMatchObject({
    equal: false,
    lost: [],
  })
})

test('jobs that OpenClaw makes by itself and conversations that came since are no difference', () => {
  const now = inventory({
    cron: [job('one'), job('system', { user: false })],
    sessions: { main: ['s1', 's2'], work: ['s3'] },
  })
  expect(compareInventories(inventory(), now, 'move').equal).toBe(true)
})

test('a clone is not expected to bring pairings, channels or running jobs along', () => {
  const now = inventory({ cron: [job('one', { enabled: false })], channels: [], pairings: 0 })
  expect(compareInventories(inventory(), now, 'clone').equal).toBe(true)
  expect(compareInventories(inventory(), now, 'move').equal).toBe(false)
})
