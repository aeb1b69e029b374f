import { expect, test } from 'vitest'
import { draftOf, isLate, scheduleOf } from './schedule.ts'

test('what is set is what the form begins with, and is set again as it was', () => {
  for (const schedule of [
    { kind: 'daily', at: '22:15', zone: 'Europe/Berlin' },
    { kind: 'every', hours: 12 },
  ] as const) {
    expect(scheduleOf(draftOf({ schedule, nextAt: 0 }), 'Europe/Berlin')).toEqual(schedule)
  }
})

test('proposes a night backup where nothing is set', () => {
  expect(scheduleOf(draftOf(undefined), 'UTC')).toEqual({ kind: 'daily', at: '03:00', zone: 'UTC' })
})

test('is nothing while the time is not a time, and null when it is off', () => {
  const draft = draftOf(undefined)
  expect(scheduleOf({ ...draft, at: '' }, 'UTC')).toBeUndefined()
  expect(scheduleOf({ ...draft, choice: 'off' }, 'UTC')).toBeNull()
})

test('is late when its time is over, unless the node has moved away', () => {
  const schedule = { schedule: { kind: 'every', hours: 6 }, nextAt: 1000 } as const
  expect(isLate({ schedule, movedTo: null }, 999)).toBe(false)
  expect(isLate({ schedule, movedTo: null }, 1000)).toBe(true)
  expect(isLate({ schedule, movedTo: 'x' }, 1000)).toBe(false)
})
