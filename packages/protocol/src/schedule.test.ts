import { describe, expect, test } from 'vitest'
import { isTimeZone, nextDue, type Schedule } from './schedule.ts'

const FIRST = '00000000000000000000000000000000'
const MIDDLE = '80000000000000000000000000000000'
const at = (text: string) => Date.parse(text)
const due = (schedule: Schedule, after: string, node = FIRST) =>
  new Date(nextDue(schedule, at(after), node)).toISOString().replace(':00.000Z', 'Z')

const daily = (time: string, zone: string): Schedule => ({ kind: 'daily', at: time, zone })

describe('a time of day', () => {
  test.each([
    ['later today', '03:00', 'UTC', '2026-11-25T01:00Z', '2026-11-25T03:00Z'],
    ['not again at that very time', '03:00', 'UTC', '2026-11-25T03:00Z', '2026-11-26T03:00Z'],
    ['on the clocks of a zone', '03:00', 'Asia/Tokyo', '2026-11-25T12:00Z', '2026-11-25T18:00Z'],
    ['a day behind UTC', '23:30', 'Pacific/Honolulu', '2026-11-25T05:00Z', '2026-11-25T09:30Z'],
    ['in summer', '03:00', 'Europe/Berlin', '2026-07-01T12:00Z', '2026-07-02T01:00Z'],
    ['in winter', '03:00', 'Europe/Berlin', '2026-12-01T12:00Z', '2026-12-02T02:00Z'],
    // 02:30 is left out on 29 March 2026, and comes twice on 25 October.
    ['left out by summer time', '02:30', 'Europe/Berlin', '2026-03-28T12:00Z', '2026-03-29T01:30Z'],
    ['twice: the first', '02:30', 'Europe/Berlin', '2026-10-24T12:00Z', '2026-10-25T00:30Z'],
    ['twice: once', '02:30', 'Europe/Berlin', '2026-10-25T00:30Z', '2026-10-26T01:30Z'],
  ])('%s', (_, time, zone, after, expected) => {
    expect(due(daily(time, zone), after)).toBe(expected)
  })

  test('is spread over a quarter of an hour, across midnight too', () => {
    expect(due(daily('03:00', 'UTC'), '2026-11-25T01:00Z', MIDDLE)).toBe('2026-11-25T03:07:30.000Z')
    expect(due(daily('23:55', 'UTC'), '2026-11-26T00:01Z', MIDDLE)).toBe('2026-11-26T00:02:30.000Z')
  })
})

test('every so many hours, each node at its own', () => {
  const every: Schedule = { kind: 'every', hours: 6 }
  expect(due(every, '2026-11-25T01:00Z')).toBe('2026-11-25T06:00Z')
  expect(due(every, '2026-11-25T06:00Z')).toBe('2026-11-25T12:00Z')
  expect(due(every, '2026-11-25T01:00Z', MIDDLE)).toBe('2026-11-25T03:00Z')
})

test('the next one lies ahead and not further than its period, whatever the node', () => {
  const schedules: readonly (readonly [Schedule, number])[] = [
    [{ kind: 'every', hours: 1 }, 1],
    [{ kind: 'every', hours: 168 }, 168],
    // The longest day has 25 hours.
    [daily('02:30', 'Europe/Berlin'), 25.25],
    [daily('00:00', 'America/Santiago'), 25.25],
  ]
  for (const [schedule, hours] of schedules) {
    for (let i = 0; i < 400; i++) {
      const node = Math.imul(i, 0x9e3779b1) >>> 0
      const after = at('2026-01-01T00:00Z') + i * 22 * 3_600_000
      const next = nextDue(schedule, after, node.toString(16).padStart(8, '0'))
      expect(next).toBeGreaterThan(after)
      expect(next - after).toBeLessThanOrEqual(hours * 3_600_000)
    }
  }
})

test('knows which zones there are', () => {
  expect(['UTC', 'Europe/Berlin', 'Mars/Olympus'].map(isTimeZone)).toEqual([true, true, false])
})
