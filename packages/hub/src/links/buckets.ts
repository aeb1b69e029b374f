/** How often each address may knock: so many at once, and then so many a second. */
export interface Buckets {
  /** @returns false when it comes too often. */
  take(address: string): boolean
}

/** Addresses that are remembered. An attacker with more of them than this is not held by buckets anyway. */
const MOST = 10_000

export function createBuckets(
  now: () => number,
  { burst, perSecond }: { readonly burst: number; readonly perSecond: number },
): Buckets {
  const levels = new Map<string, { tokens: number; at: number }>()
  return {
    take(address) {
      const level = levels.get(address) ?? { tokens: burst, at: now() }
      const refilled = level.tokens + ((now() - level.at) / 1000) * perSecond
      const tokens = Math.min(burst, refilled)
      const allowed = tokens >= 1
      // Taken out and put back: the map's order is then that of last use, and the first is the one to forget.
      levels.delete(address)
      levels.set(address, { tokens: allowed ? tokens - 1 : tokens, at: now() })
      const [oldest] = levels.keys()
      if (levels.size > MOST && oldest !== undefined) levels.delete(oldest)
      return allowed
    },
  }
}
