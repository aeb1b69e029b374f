import type { Inventory } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { comesAlong, isChosen, isNothing, partsOf, toggled } from './parts.ts'

const inventory: Inventory = {
  personas: ['main', 'work'],
  cron: [
    { id: '2', name: 'sweep', user: true, enabled: true, persona: 'main', schedule: '' },
    { id: '1', name: 'report', user: true, enabled: true, persona: 'work', schedule: '' },
    { id: '0', name: 'heartbeat', user: false, enabled: true, persona: 'main', schedule: '' },
  ],
  authProfiles: [],
  plugins: [],
  skills: [],
  channels: [],
  pairings: 0,
  sessions: {},
}

test('offers personas, the jobs that people made, and the sections that can be had by themselves', () => {
  const parts = partsOf({ inventory })
  expect(parts.personas.map(({ id }) => id)).toEqual(['main', 'work'])
  expect(parts.cron.map(({ name, of }) => [name, of])).toEqual([
    ['report', 'work'],
    ['sweep', 'main'],
  ])
  expect(parts.sections.map(({ id }) => id)).toContain('skills')
  expect(partsOf({ inventory: null }).personas).toEqual([])
})

test('a part is chosen and not chosen again, and a choice of nothing is told from everything', () => {
  const one = toggled({}, 'personas', 'work')
  expect(one).toEqual({ personas: ['work'] })
  expect(isChosen(one, 'personas', 'work')).toBe(true)
  expect(toggled(one, 'personas', 'work')).toEqual({})
  expect([isNothing(undefined), isNothing({}), isNothing(one)]).toEqual([false, true, false])
})

test('the jobs of a chosen persona come along with it', () => {
  const of = { of: 'work' }
  expect(comesAlong({ personas: ['work'] }, 'cron', of)).toBe(true)
  expect(comesAlong({ personas: ['main'] }, 'cron', of)).toBe(false)
  expect(comesAlong({ sections: ['personas'] }, 'personas', { of: '' })).toBe(true)
  expect(comesAlong({ sections: ['cron'] }, 'cron', of)).toBe(true)
})
