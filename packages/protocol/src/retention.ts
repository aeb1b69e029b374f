/**
 * Which snapshots stay. Pure: the hub runs it, people see its reasons before anything goes.
 *
 * Times are those at which the hub received a snapshot, never the node's own: a node that was taken over could forge
 * those. Hours, days, ISO weeks, months and years are UTC, so that no setting of a machine, no change to summer time
 * and no move of the hub changes what goes.
 *
 * Each rule stands for itself and a snapshot stays when any keeps it. So a policy that is larger in every number keeps
 * at least as much, and applying one again removes nothing more.
 */
import { type Static, Type } from 'typebox'
import { Hash } from './ids.ts'
import { Count, Millis, Strict } from './shapes.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Thursday 1970-01-01 is day 0, so the first Monday is day 4. */
const FIRST_MONDAY = 4

const Kept = Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 }))

/** How many stay by each rule; what is not named is 0. A policy of nothing but zeros keeps what the lock keeps. */
export const RetentionPolicy = Strict({
  /** The newest so many. */
  keepLast: Kept,
  /** One of each of the newest so many hours, days, weeks, months, years that have a snapshot. */
  hourly: Kept,
  daily: Kept,
  weekly: Kept,
  monthly: Kept,
  yearly: Kept,
  /** All that were received within so many days before the newest one of the node. */
  within: Kept,
})
export type RetentionPolicy = Static<typeof RetentionPolicy>

/** What no policy and no operator goes below, until somebody lowers it. */
export const RetentionLock = Strict({
  /** Nothing younger goes. */
  days: Type.Integer({ minimum: 0, maximum: 36_500 }),
  /** Nor the newest so many of a node. */
  last: Type.Integer({ minimum: 1, maximum: 100_000 }),
})
export type RetentionLock = Static<typeof RetentionLock>

export const DEFAULT_LOCK: RetentionLock = { days: 14, last: 7 }

export const KEEP_REASONS = [
  'no-policy',
  'newest',
  'last-good',
  'pinned',
  'in-use',
  'locked-age',
  'locked-last',
  'last',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'yearly',
  'within',
] as const
export const KeepReason = Type.Enum([...KEEP_REASONS])
export type KeepReason = (typeof KEEP_REASONS)[number]

/** One snapshot of one node, as retention sees it. */
export interface Retained {
  readonly id: string
  readonly seq: number
  /** By the hub's clock. */
  readonly receivedAt: number
  readonly pinned: boolean
  /** Without warnings, and none of its packs damaged. */
  readonly good: boolean
  /** An unfinished job or its order refers to it. */
  readonly inUse: boolean
}

export const RetentionVerdict = Strict({
  id: Hash,
  seq: Count,
  receivedAt: Millis,
  /** Why it stays, in the order of KEEP_REASONS; it goes when there is no reason. */
  keep: Type.Array(KeepReason),
})
export type RetentionVerdict = Static<typeof RetentionVerdict>

export interface RetentionRules {
  /** Null: nothing goes. */
  readonly policy: RetentionPolicy | null
  readonly lock: RetentionLock
  /** By the hub's clock. */
  readonly now: number
}

/**
 * @param snapshots all of one node that have not been pruned, in any order.
 * @returns one verdict for each, the newest first.
 */
export function judgeRetention(
  snapshots: readonly Retained[],
  { policy, lock, now }: RetentionRules,
): RetentionVerdict[] {
  const newestFirst = snapshots.toSorted((a, b) => b.receivedAt - a.receivedAt || b.seq - a.seq)
  const bySeq = newestFirst.toSorted((a, b) => b.seq - a.seq)
  const reasons = new Map<string, Set<KeepReason>>(newestFirst.map(({ id }) => [id, new Set()]))
  const keep = (reason: KeepReason, which: Iterable<Retained>) => {
    for (const { id } of which) reasons.get(id)?.add(reason)
  }

  if (policy === null) keep('no-policy', newestFirst)
  // By the chain and not by time: the next snapshot has to follow it, whatever the clock did.
  keep('newest', bySeq.slice(0, 1))
  keep('last-good', bySeq.filter(({ good }) => good).slice(0, 1))
  keep(
    'pinned',
    newestFirst.filter(({ pinned }) => pinned),
  )
  keep(
    'in-use',
    newestFirst.filter(({ inUse }) => inUse),
  )
  keep(
    'locked-age',
    newestFirst.filter(({ receivedAt }) => now - receivedAt < lock.days * DAY_MS),
  )
  keep('locked-last', bySeq.slice(0, lock.last))
  if (policy !== null) {
    keep('last', newestFirst.slice(0, policy.keepLast ?? 0))
    for (const [rule, periodOf] of PERIODS) {
      keep(rule, oneOfEach(newestFirst, periodOf, policy[rule] ?? 0))
    }
    // Before the newest and not before now: when backups stop, the last ones do not run out. A newest one that is dated
    // into the future, by a clock that was wrong, does not make the others old.
    const end = Math.min(newestFirst[0]?.receivedAt ?? 0, now)
    const within = (policy.within ?? 0) * DAY_MS
    keep(
      'within',
      newestFirst.filter(({ receivedAt }) => within > 0 && receivedAt >= end - within),
    )
  }
  return newestFirst.map(({ id, seq, receivedAt }) => ({
    id,
    seq,
    receivedAt,
    keep: KEEP_REASONS.filter((reason) => reasons.get(id)?.has(reason)),
  }))
}

/** The newest good one of each of the newest periods; where a period has no good one, its newest. */
function oneOfEach(
  newestFirst: readonly Retained[],
  periodOf: (at: number) => number,
  periods: number,
): Iterable<Retained> {
  const chosen = new Map<number, Retained>()
  for (const snapshot of newestFirst) {
    const period = periodOf(snapshot.receivedAt)
    const before = chosen.get(period)
    if (before === undefined && chosen.size === periods) break
    if (before === undefined || (!before.good && snapshot.good)) chosen.set(period, snapshot)
  }
  return chosen.values()
}

const dayOf = (at: number) => Math.floor(at / DAY_MS)

const PERIODS = [
  ['hourly', (at) => Math.floor(at / HOUR_MS)],
  ['daily', dayOf],
  ['weekly', (at) => Math.floor((dayOf(at) - FIRST_MONDAY) / 7)],
  [
    'monthly',
    (at) => {
      const date = new Date(at)
      return date.getUTCFullYear() * 12 + date.getUTCMonth()
    },
  ],
  ['yearly', (at) => new Date(at).getUTCFullYear()],
] as const satisfies readonly (readonly [KeepReason, (at: number) => number])[]

/** Whether the second lets more go than the first. */
export const isLower = (before: RetentionLock, after: RetentionLock): boolean =>
  after.days < before.days || after.last < before.last
