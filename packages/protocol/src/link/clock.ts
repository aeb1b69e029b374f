/** Time, handed in. Node's own functions fit: `{ now: () => performance.now(), setTimeout, clearTimeout }`. */
export interface Clock {
  /** Milliseconds; only differences are used. */
  now(): number
  setTimeout(run: () => void, ms: number): unknown
  /** Ignores timers that have run. */
  clearTimeout(timer: unknown): void
}
