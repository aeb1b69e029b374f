import { describe, expect, test } from 'vitest'
import {
  judgeRetention,
  KEEP_REASONS,
  type Retained,
  type RetentionLock,
  type RetentionPolicy,
} from './retention.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NO_LOCK: RetentionLock = { days: 0, last: 1 }

const at = (text: string) => Date.parse(`${text}Z`)

/** Snapshots received at these times, the oldest first. */
const received = (...times: (string | number)[]): Retained[] =>
  times.map((time, index) => ({
    id: String(index + 1).padStart(64, '0'),
    seq: index + 1,
    receivedAt: typeof time === 'string' ? at(time) : time,
    pinned: false,
    good: true,
    inUse: false,
  }))

function stay(
  snapshots: readonly Retained[],
  policy: RetentionPolicy | null,
  lock = NO_LOCK,
  now = Math.max(...snapshots.map(({ receivedAt }) => receivedAt)) + 1,
): number[] {
  return judgeRetention(snapshots, { policy, lock, now })
    .filter(({ keep }) => keep.length > 0)
    .map(({ seq }) => seq)
    .toSorted((a, b) => a - b)
}

describe('by each rule', () => {
  const hours = received(
    '2026-03-01T10:00',
    '2026-03-01T10:59',
    '2026-03-01T11:00',
    '2026-03-01T13:30',
  )
  const days = received(
    '2026-02-27T23:59',
    '2026-02-28T00:00',
    '2026-02-28T23:59',
    '2026-03-01T00:00',
    '2026-03-03T12:00',
  )
  // 2025-12-28 is a Sunday, 2025-12-29 the Monday of week 1 of 2026.
  const weeks = received('2025-12-22T00:00', '2025-12-28T23:59', '2025-12-29T00:00', '2026-01-04')
  const months = received('2025-11-30', '2025-12-01', '2025-12-31', '2026-01-01', '2026-02-10')
  const years = received('2023-05-01', '2024-01-01', '2024-12-31', '2025-01-01', '2026-06-01')
  test.each<[string, Retained[], RetentionPolicy, number[]]>([
    ['the newest always', hours, {}, [4]],
    ['the newest three', hours, { keepLast: 3 }, [2, 3, 4]],
    ['more than there are', hours, { keepLast: 99 }, [1, 2, 3, 4]],
    ['one of each hour that has one', hours, { hourly: 2 }, [3, 4]],
    ['the newest of an hour', hours, { hourly: 3 }, [2, 3, 4]],
    ['one of each day, by UTC', days, { daily: 3 }, [3, 4, 5]],
    ['one of each day that has one', days, { daily: 4 }, [1, 3, 4, 5]],
    ['one of each ISO week, over the new year', weeks, { weekly: 2 }, [2, 4]],
    ['one of each month', months, { monthly: 3 }, [3, 4, 5]],
    ['one of each year', years, { yearly: 3 }, [3, 4, 5]],
    ['all within days before the newest', days, { within: 3 }, [3, 4, 5]],
    ['all within days, the edge too', received(0, DAY, 2 * DAY), { within: 1 }, [2, 3]],
    ['what any rule keeps', days, { daily: 1, keepLast: 2 }, [4, 5]],
  ])('keeps %s', (_what, snapshots, policy, wanted) => {
    expect(stay(snapshots, policy)).toEqual(wanted)
  })
})

describe('whatever the policy says', () => {
  const many = received(...Array.from({ length: 20 }, (_, day) => day * DAY))

  test('without one, nothing goes', () => {
    expect(stay(many, null)).toHaveLength(20)
  })

  test('nothing goes that the lock keeps: the young and the newest of a node', () => {
    const now = 19 * DAY + 1
    expect(stay(many, {}, { days: 14, last: 7 }, now)).toEqual(range(7, 20))
    expect(stay(many, {}, { days: 14, last: 7 }, now + 1000 * DAY)).toEqual(range(14, 20))
    expect(stay(many, {}, { days: 0, last: 1 }, now)).toEqual([20])
  })

  test('what is pinned or in use stays', () => {
    const some = many.map((snapshot) => ({
      ...snapshot,
      pinned: snapshot.seq === 3,
      inUse: snapshot.seq === 5,
    }))
    expect(stay(some, { keepLast: 1 })).toEqual([3, 5, 20])
  })

  test('the last good one stays when all after it have warnings', () => {
    const some = many.map((snapshot) => ({ ...snapshot, good: snapshot.seq < 10 }))
    expect(stay(some, { keepLast: 2 })).toEqual([9, 19, 20])
  })

  test('the good one of a day stays rather than a newer one with warnings', () => {
    const [a, b, c] = received('2026-03-01T10:00', '2026-03-01T12:00', '2026-03-02T10:00')
    if (!a || !b || !c) throw new Error()
    expect(stay([a, { ...b, good: false }, c], { daily: 2 })).toEqual([1, 3])
  })

  test('the newest of the chain stays, also when the clock was set back before it', () => {
    const [first, second] = received(1000 * DAY, 10 * DAY)
    if (!first || !second) throw new Error()
    expect(stay([first, second], { keepLast: 1 })).toEqual([1, 2])
  })

  test('one dated into the future does not make the others old', () => {
    const wrong = [...received(0, DAY, 2 * DAY, 9000 * DAY)]
    expect(stay(wrong, { within: 1 }, NO_LOCK, 2 * DAY)).toEqual([2, 3, 4])
  })

  test('garbage of a node that was taken over, in a day, pushes out none of the days before', () => {
    const flood = received(
      ...Array.from({ length: 30 }, (_, day) => day * DAY),
      ...Array.from({ length: 1000 }, (_, minute) => 30 * DAY + minute * 60_000),
    )
    const left = stay(flood, { keepLast: 3, daily: 31 }, { days: 14, last: 7 })
    expect(left.filter((seq) => seq <= 30)).toEqual(range(1, 30))
  })

  test('every reason is named, so that people see why', () => {
    const [verdict] = judgeRetention(many, {
      policy: {
        keepLast: 1,
        hourly: 1,
        daily: 1,
        weekly: 1,
        monthly: 1,
        yearly: 1,
        within: 1,
      },
      lock: { days: 14, last: 7 },
      now: 20 * DAY,
    })
    const unlike = new Set(['no-policy', 'pinned', 'in-use'])
    expect(verdict?.keep).toEqual(KEEP_REASONS.filter((reason) => !unlike.has(reason)))
  })
})

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function numbers(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

describe('for any history and any policy', () => {
  const RULES = ['keepLast', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within'] as const
  const seed = Date.now() % 1_000_000
  const next = numbers(seed)
  const upTo = (n: number) => Math.floor(next() * n)
  const cases = Array.from({ length: 300 }, () => {
    const span = [HOUR, DAY, 40 * DAY, 900 * DAY][upTo(4)] ?? DAY
    const times = Array.from({ length: 1 + upTo(60) }, () => 1e12 + upTo(span))
    if (next() < 0.8) times.sort((a, b) => a - b)
    const snapshots = received(...times).map((snapshot) => ({
      ...snapshot,
      pinned: next() < 0.05,
      good: next() < 0.8,
      inUse: next() < 0.03,
    }))
    const policy = Object.fromEntries(RULES.map((rule) => [rule, next() < 0.5 ? 0 : upTo(12)]))
    const larger = Object.fromEntries(RULES.map((rule) => [rule, (policy[rule] ?? 0) + upTo(4)]))
    const lock = { days: upTo(3) * upTo(20), last: 1 + upTo(8) }
    return { snapshots, policy, larger, lock, now: 1e12 + upTo(2 * span) }
  })

  test('a larger policy and a larger lock keep at least as much', () => {
    for (const { snapshots, policy, larger, lock, now } of cases) {
      const small = stay(snapshots, policy, lock, now)
      const bigger = { days: lock.days + upTo(9), last: lock.last + upTo(3) }
      expect(stay(snapshots, larger, lock, now), `seed ${seed}`).toEqual(
        expect.arrayContaining(small),
      )
      expect(stay(snapshots, policy, bigger, now)).toEqual(expect.arrayContaining(small))
    }
  })

  test('the order in which they are listed does not matter', () => {
    for (const { snapshots, policy, lock, now } of cases) {
      const shuffled = snapshots.toSorted(() => next() - 0.5)
      expect(judgeRetention(shuffled, { policy, lock, now }), `seed ${seed}`).toEqual(
        judgeRetention(snapshots, { policy, lock, now }),
      )
    }
  })

  test('applied again it removes nothing more', () => {
    for (const { snapshots, policy, lock, now } of cases) {
      const left = stay(snapshots, policy, lock, now)
      const again = snapshots.filter(({ seq }) => left.includes(seq))
      expect(stay(again, policy, lock, now), `seed ${seed}`).toEqual(left)
    }
  })

  test('the newest, the pinned, those in use, a good one and what is locked stay', () => {
    for (const { snapshots, policy, lock, now } of cases) {
      const lastGood = snapshots.findLast(({ good }) => good)
      const sure = snapshots.filter(
        (snapshot) =>
          snapshot.pinned ||
          snapshot.inUse ||
          snapshot === lastGood ||
          snapshot.seq > snapshots.length - lock.last ||
          now - snapshot.receivedAt < lock.days * DAY,
      )
      expect(stay(snapshots, policy, lock, now), `seed ${seed}`).toEqual(
        expect.arrayContaining(sure.map(({ seq }) => seq)),
      )
    }
  })
})
