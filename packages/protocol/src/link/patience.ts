/** How long the other side may leave us waiting. Runs only while it is the other side's turn. */
import type { Clock } from './clock.ts'

export class Patience {
  readonly #clock: Clock
  readonly #ms: number
  readonly #spent: () => void
  #timer: unknown = null

  constructor(clock: Clock, ms: number, spent: () => void) {
    this.#clock = clock
    this.#ms = ms
    this.#spent = spent
  }

  /** Counts from now on. */
  begin(): void {
    this.end()
    if (this.#ms === Number.POSITIVE_INFINITY) return
    this.#timer = this.#clock.setTimeout(this.#spent, this.#ms)
  }

  end(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
  }
}
