/** Counts failures and says how long to wait. In memory: one hub, and a restart costs an attacker nothing he had. */
import { isIPv6 } from 'node:net'
import { OcmError } from '@ocm/protocol'

const WINDOW_MS = 15 * 60_000
/** So many addresses or names are remembered; the oldest are forgotten first. */
const REMEMBERED = 10_000

interface Count {
  failures: number
  since: number
  blockedUntil: number
}

export interface Throttle {
  /** @throws OcmError 'too-many-requests' with `seconds` to wait */
  check(...keys: readonly string[]): void
  failed(...keys: readonly string[]): void
  succeeded(...keys: readonly string[]): void
}

/** @param allowed failures within 15 minutes; each one beyond doubles the wait, from 1 up to 15 minutes. */
export function createThrottle(now: () => number, allowed: number): Throttle {
  const counts = new Map<string, Count>()

  return {
    check(...keys) {
      const at = now()
      const until = Math.max(0, ...keys.map((key) => counts.get(key)?.blockedUntil ?? 0))
      if (until > at) {
        throw new OcmError('too-many-requests', { seconds: Math.ceil((until - at) / 1000) })
      }
    },
    failed(...keys) {
      const at = now()
      for (const key of keys) {
        const was = counts.get(key)
        const fresh = !was || at - Math.max(was.since, was.blockedUntil) > WINDOW_MS
        const failures = fresh ? 1 : was.failures + 1
        const beyond = failures - allowed
        const wait = beyond < 0 ? 0 : Math.min(60_000 * 2 ** Math.min(beyond, 10), WINDOW_MS)
        counts.delete(key)
        counts.set(key, {
          failures,
          since: fresh ? at : was.since,
          blockedUntil: wait === 0 ? 0 : at + wait,
        })
      }
      for (const key of counts.keys()) {
        if (counts.size <= REMEMBERED) break
        counts.delete(key)
      }
    },
    succeeded(...keys) {
      for (const key of keys) counts.delete(key)
    },
  }
}

/** One household: an IPv4 address, or the /64 of an IPv6 address. */
export function householdOf(address: string): string {
  const mapped = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
  if (!isIPv6(mapped)) return mapped
  const [head = '', tail] = mapped.toLowerCase().split('%')[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array<string>(Math.max(gap, 0)).fill('0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
