/** How long to stay away from a hub after a link has ended. */
import type { ErrorCode, OcmError } from '@ocm/protocol'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const FIRST_MS = SECOND
const LONGEST_MS = MINUTE

/** A session that has lived so long counts as a success: the next delay is a first one again. */
export const STEADY_MS = MINUTE

/** Where coming back at once changes nothing, or would fight with another agent. An operator has to act first. */
const LONG: Partial<Record<ErrorCode, number>> = {
  'link-replaced': MINUTE,
  'hub-key-changed': 5 * MINUTE,
  'certificate-changed': 5 * MINUTE,
  'node-revoked': 10 * MINUTE,
  'node-cloned': 10 * MINUTE,
  'node-unknown': 10 * MINUTE,
  'version-unsupported': 10 * MINUTE,
}

/** While a move is at work here somebody may wait for us, and nobody may speak: then no failures add up to more. */
const PRESSING_MS = 3 * SECOND

/**
 * Full jitter: anywhere between nothing and a bound that doubles, so that a fleet does not come back in one moment.
 * @param failures in a row before this one
 * @param chance at least 0, below 1
 * @param isPressing this node has a job in hand that others wait for
 */
export function delayAfter(
  why: OcmError,
  failures: number,
  chance: number,
  isPressing: boolean,
): number {
  const long = LONG[why.code]
  if (long !== undefined) return long * (1 + chance / 5)
  const longest = isPressing ? PRESSING_MS : LONGEST_MS
  return chance * Math.min(longest, FIRST_MS * 2 ** Math.min(failures, 10))
}
