/** Which directories the next run need not read: all that lay in them is remembered, in one piece. */
import type { PlacedPath } from '@ocm/protocol'
import type { Listing } from '../store/stat-cache.ts'
import type { Draft } from './draft.ts'
import type { Walked } from './walk.ts'

export class Listings {
  readonly #listed: Walked['listed']
  readonly #found: Walked['found']

  constructor({ listed, found }: Walked) {
    this.#listed = listed
    this.#found = found
  }

  /**
   * Of each directory's place.
   * @param remembered databases first, then all others in the order in which they were found.
   */
  of(remembered: readonly Draft[]): ReadonlyMap<PlacedPath, Listing> {
    const numbers = this.#numbersIn(remembered)
    return new Map(
      this.#listed
        .filter(({ first, count }) => isInOnePiece(numbers, first, count))
        .map(({ directory, first, count }) => [
          directory,
          { first: count === 0 ? 0 : (numbers[first] as number), count },
        ]),
    )
  }

  /** Whether there are some that the last run did not remember. */
  hasNew(remembered: readonly Draft[]): boolean {
    const fresh = this.#listed.filter(({ isKnown }) => !isKnown)
    if (fresh.length === 0) return false
    const numbers = this.#numbersIn(remembered)
    return fresh.some(({ first, count }) => isInOnePiece(numbers, first, count))
  }

  /** Of what was found: -1 for what is not remembered, or among the databases. */
  #numbersIn(remembered: readonly Draft[]): Int32Array {
    let next = remembered.findIndex(({ kind }) => kind !== 'database')
    return Int32Array.from(this.#found, (one) => (remembered[next] === one ? next++ : -1))
  }
}

function isInOnePiece(numbers: Int32Array, at: number, count: number): boolean {
  const first = numbers[at] ?? -1
  for (let n = 0; n < count; n++) {
    if (first < 0 || numbers[at + n] !== first + n) return false
  }
  return true
}
