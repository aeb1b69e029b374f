/** Which directories the next run need not read: all that lay in them is remembered, in one piece. */
import type { PlacedPath } from '@ocm/protocol'
import type { Listing } from '../store/stat-cache.ts'
import type { Draft } from './draft.ts'
import type { Walked } from './walk.ts'

export class Listings {
  readonly #listed: Walked['listed']
  readonly #found: Walked['found']
  /** Whether there are some that the last run did not remember. */
  readonly areNew: boolean

  /** @param databases are remembered before everything else, so what lies beside them is not in one piece. */
  constructor({ listed, found }: Walked, databases: readonly { readonly place: PlacedPath }[]) {
    const besides = new Set(databases.map(({ place }) => keyOf(place.root, parentOf(place.path))))
    this.#listed = listed.filter(
      ({ directory, isKnown }) => isKnown || !besides.has(keyOf(directory.root, directory.path)),
    )
    this.#found = found
    this.areNew = this.#listed.some(({ isKnown }) => !isKnown)
  }

  /** @param remembered in the order in which it is remembered. */
  of(remembered: readonly Draft[]): ReadonlyMap<PlacedPath, Listing> {
    const numberOf = new Map(remembered.map((draft, number) => [draft, number]))
    const numbers = this.#found.map((one) => numberOf.get(one) ?? -1)
    const listings = new Map<PlacedPath, Listing>()
    for (const { directory, first: at, count } of this.#listed) {
      const first = count === 0 ? 0 : (numbers[at] as number)
      if (isInOnePiece(numbers, at, count)) listings.set(directory, { first, count })
    }
    return listings
  }
}

const keyOf = (root: string, path: string) => `${root}\t${path}`
const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

function isInOnePiece(numbers: readonly number[], at: number, count: number): boolean {
  const first = numbers[at]
  for (let n = 0; n < count; n++) {
    if (first === undefined || first < 0 || numbers[at + n] !== first + n) return false
  }
  return true
}
