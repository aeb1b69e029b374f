/** Tries again what may pass, after pauses that no two callers have in common. */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPassing } from './failure.ts'

export interface Patience {
  /** Nothing has come or gone for so long: it is not going to. */
  readonly silentMs: number
  /** From then on a failure is final. */
  readonly forMs: number
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 4000

/** For one undertaking: whether to go on after a failure. */
export interface Endurance {
  /** Pauses, or throws what it is given. */
  after(error: unknown): Promise<void>
  /** It got on since: the next failure is the first. */
  refresh(): void
}

export function endurance({ forMs }: Pick<Patience, 'forMs'>): Endurance {
  let began = performance.now()
  let failures = 0
  return {
    async after(error) {
      if (!isPassing(error) || performance.now() - began >= forMs) throw error
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++)
      await sleep(randomInt(longest + 1))
    },
    refresh() {
      began = performance.now()
      failures = 0
    },
  }
}

export async function persist<T>(patience: Patience, attempt: () => Promise<T>): Promise<T> {
  const { after } = endurance(patience)
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      await after(error)
    }
  }
}
