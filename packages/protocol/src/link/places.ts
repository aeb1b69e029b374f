/** A fixed number of places, given in the order they were asked for. */
export class Places {
  #free: number
  #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** @param enter called once, at once or later, with the place taken. @returns takes the wish back, if it still waits. */
  take(enter: () => void): () => void {
    if (this.#free > 0) {
      this.#free--
      enter()
      return () => {}
    }
    this.#waiting.push(enter)
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== enter)
    }
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }
}
