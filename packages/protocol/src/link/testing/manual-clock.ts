/** A clock that goes when it is told to, for tests. */
import type { Clock } from '../clock.ts'

export class ManualClock implements Clock {
  #now = 0
  #next = 1
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>()

  now(): number {
    return this.#now
  }

  setTimeout(run: () => void, ms: number): number {
    const timer = this.#next++
    this.#timers.set(timer, { at: this.#now + ms, run })
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number)
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#timers.size
  }

  /** Runs what falls due, in order, and lets everything that waits for it go on in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end)
      const [first] = due.toSorted(([, a], [, b]) => a.at - b.at)
      if (!first) break
      const [timer, { at, run }] = first
      this.#timers.delete(timer)
      this.#now = at
      run()
      await settled()
    }
    this.#now = end
    await settled()
  }
}

/** Long enough for chains of promises; protocol has no macrotask to wait for. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 200; n++) await Promise.resolve()
}
