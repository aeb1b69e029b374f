/** Who may go on: tasks stand at gates until one of them is picked, so that an order can be played again by its seed. */

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export class Turns {
  readonly #next: () => number
  #waiting: (() => void)[] = []
  #running = new Set<string>()
  readonly failed: unknown[] = []

  /** Until every task stands at a gate or waits for another. */
  readonly rest: () => Promise<void>

  constructor(next: () => number, rest: () => Promise<void>) {
    this.#next = next
    this.rest = rest
  }

  /** For one process: after `die` it is never passed again. */
  gate = (): Promise<void> => new Promise((resolve) => this.#waiting.push(resolve))

  /** Begins a task; it runs as far as to its first gate when the next turn is taken. */
  begin(name: string, task: () => Promise<void>): void {
    this.#running.add(name)
    task()
      .catch((error: unknown) => this.failed.push(error))
      .finally(() => this.#running.delete(name))
  }

  isRunning(prefix: string): boolean {
    return [...this.#running].some((name) => name.startsWith(prefix))
  }

  /** Lets one of those go on that stand at a gate. False when nobody does. */
  async take(): Promise<boolean> {
    await this.rest()
    if (this.#waiting.length === 0) return false
    const [go] = this.#waiting.splice(Math.floor(this.#next() * this.#waiting.length), 1)
    go?.()
    await this.rest()
    return true
  }

  async drain(): Promise<void> {
    while (await this.take());
  }

  /** Whatever runs never goes on. */
  die(): void {
    this.#waiting = []
    this.#running = new Set()
  }
}
