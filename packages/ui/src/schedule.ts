/** When a node is backed up by itself, as people choose it and read it. */
import type { NodeSchedule, NodeState, Schedule } from '@ocm/protocol'

/** Offered beside a time of day; hours. */
export const INTERVALS = [1, 3, 6, 12, 24, 168] as const

export type Choice = 'off' | 'daily' | 'every'

export interface Draft {
  readonly choice: Choice
  /** `HH:MM` */
  readonly at: string
  readonly hours: number
}

const FIRST: Draft = { choice: 'daily', at: '03:00', hours: 6 }

/** What the form begins with. */
export function draftOf(set: NodeSchedule | undefined): Draft {
  if (set === undefined) return FIRST
  const { schedule } = set
  return schedule.kind === 'daily'
    ? { ...FIRST, at: schedule.at }
    : { ...FIRST, choice: 'every', hours: schedule.hours }
}

/** @param zone whose clocks a time of day is meant on. @returns undefined while it is no time. */
export function scheduleOf(draft: Draft, zone: string): Schedule | null | undefined {
  if (draft.choice === 'off') return null
  if (draft.choice === 'every') return { kind: 'every', hours: draft.hours }
  return /^([01]\d|2[0-3]):[0-5]\d$/.test(draft.at)
    ? { kind: 'daily', at: draft.at, zone }
    : undefined
}

/** Missed: it waits for the node, or for its turn. */
export const isLate = (
  { schedule, movedTo }: Pick<NodeState, 'schedule' | 'movedTo'>,
  now: number,
) => movedTo === null && schedule !== undefined && schedule.nextAt <= now
