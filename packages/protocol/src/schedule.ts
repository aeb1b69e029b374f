/**
 * When a node is backed up without anybody asking. Pure: the hub goes by it, people are shown what it answers.
 *
 * Nodes are spread, each by a fixed share of its own, so that a fleet does not come all at once: within the interval of
 * an `every`, and within a quarter of an hour after the time of a `daily`.
 */
import { type Static, Type } from 'typebox'
import { Millis, Strict } from './shapes.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const DAILY_SPREAD_MS = 15 * MINUTE_MS

export const Schedule = Type.Union([
  Strict({
    kind: Type.Literal('daily'),
    /** `HH:MM` on the clocks of the zone. */
    at: Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' }),
    /** A name of the time zone database, such as `Europe/Berlin`. */
    zone: Type.String({ minLength: 1, maxLength: 64 }),
  }),
  Strict({ kind: Type.Literal('every'), hours: Type.Integer({ minimum: 1, maximum: 168 }) }),
])
export type Schedule = Static<typeof Schedule>

/** PUT /api/nodes/:id/schedule; null: no backups but those that somebody asks for. */
export const SetSchedule = Strict({ schedule: Type.Union([Schedule, Type.Null()]) })
export type SetSchedule = Static<typeof SetSchedule>

/** Of a node, as people see it. */
export const NodeSchedule = Strict({
  schedule: Schedule,
  /** By the hub's clock. In the past: it was missed, and is made up for once as soon as the node is connected and free. */
  nextAt: Millis,
})
export type NodeSchedule = Static<typeof NodeSchedule>

/** Whether this machine knows a time zone of that name. */
export function isTimeZone(zone: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch (error) {
    // The one way to ask: it throws a RangeError for a name that it does not know.
    if (error instanceof RangeError) return false
    throw error
  }
}

/**
 * The first time after `after` (milliseconds since 1970) at which a node is due.
 * @param node its id, which decides its place among the others
 */
export function nextDue(schedule: Schedule, after: number, node: string): number {
  const share = Number.parseInt(node.slice(0, 8), 16) / 2 ** 32
  if (schedule.kind === 'every') {
    const length = schedule.hours * HOUR_MS
    const phase = Math.floor(share * length)
    return Math.floor((after - phase) / length) * length + phase + length
  }
  const later = Math.floor(share * DAILY_SPREAD_MS)
  const [hour = 0, minute = 0] = schedule.at.split(':').map(Number)
  const today = Math.floor(onClocks(schedule.zone, after) / DAY_MS) * DAY_MS
  const time = hour * HOUR_MS + minute * MINUTE_MS
  // Yesterday's may still be ahead: it is spread, and midnight may lie in between.
  for (let day = today - DAY_MS; ; day += DAY_MS) {
    const due = instantOf(schedule.zone, day + time) + later
    if (due > after) return due
  }
}

/** What the clocks of a zone show at an instant, as if they were those of UTC. */
function onClocks(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at)
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value)
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
}

/**
 * When the clocks show it: the first time where they are set back over it, and as much later as they are set on where
 * they leave it out.
 */
function instantOf(zone: string, shown: number): number {
  const whole = Math.floor(shown / 1000) * 1000
  const offsetAt = (at: number) => onClocks(zone, at) - at
  const [before, after] = [offsetAt(whole - DAY_MS), offsetAt(whole + DAY_MS)]
  const candidates = [shown - before, shown - after].toSorted((a, b) => a - b)
  return candidates.find((at) => onClocks(zone, at) === shown) ?? shown - before
}
