/** What earlier runs have stored and this one may refer to. */
import type { PackId } from '@ocm/protocol'
import { type ExtentIndex, type IndexFile, isDue } from '../store/extent-index.ts'
import { ExtentTable } from '../store/extent-table.ts'
import { StatCache } from '../store/stat-cache.ts'
import type { CaptureHub } from './hub.port.ts'
import { PackBook } from './pack-book.ts'
import { REF_WORDS, type Refs } from '../store/refs.ts'
import { packsToRenew } from './renewal.ts'

interface EarlierParts {
  readonly hub: Pick<CaptureHub, 'missing'>
  readonly index: IndexFile
  readonly cache: StatCache
  readonly now: () => number
  /** Packs that nothing but these may be referred to, when a delta is made. */
  readonly within: ReadonlySet<PackId> | undefined
  /** Packs that the hub has turned out to lack. */
  readonly lost: ReadonlySet<PackId>
}

const IDS_AT_ONCE = 5000

export class Earlier {
  readonly book = new PackBook()
  readonly cache: StatCache
  readonly #parts: EarlierParts
  /** By pack number. */
  readonly #mayRefer: boolean[] = []
  #index: ExtentIndex | undefined
  #known: ExtentTable | undefined

  private constructor(parts: EarlierParts) {
    this.#parts = parts
    this.cache = parts.cache
    // Pack numbers of the cache are those of the book.
    this.book.know(parts.cache.packs)
  }

  static async open(parts: EarlierParts): Promise<Earlier> {
    const earlier = new Earlier(parts)
    const renewed = packsToRenew(parts.cache.packs)
    await earlier.#admit(0, parts.cache.packs, renewed)
    return earlier
  }

  async #admit(
    from: number,
    packs: readonly ExtentIndex['packs'][number][],
    renewed: ReadonlySet<PackId>,
  ): Promise<void> {
    const { hub, now, within, lost } = this.#parts
    const good = packs.filter(
      (pack) =>
        !isDue(pack, now()) &&
        !renewed.has(pack.id) &&
        !lost.has(pack.id) &&
        (within?.has(pack.id) ?? true),
    )
    const ids = good.map(({ id }) => id)
    const missing = new Set<PackId>()
    for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
      for (const id of await hub.missing(ids.slice(at, at + IDS_AT_ONCE))) missing.add(id)
    }
    const may = new Set(ids.filter((id) => !missing.has(id)))
    for (const [n, { id }] of packs.entries()) this.#mayRefer[from + n] = may.has(id)
  }

  /** Whether all that is referred to may be referred to again. */
  mayRefer(refs: Refs): boolean {
    for (let at = 0; at < refs.length; at += REF_WORDS) {
      if (this.#mayRefer[refs[at] as number] !== true) return false
    }
    return true
  }

  /** The index, when something is to be stored. To be called before the first pack is begun. */
  async loadIndex(): Promise<void> {
    if (this.#index) return
    const index = await this.#parts.index.load()
    const unknown = index.packs.filter(({ id }) => this.book.numberOf(id) === undefined)
    const from = this.#mayRefer.length
    this.book.know(unknown)
    await this.#admit(from, unknown, new Set())
    const numbers = index.packs.map(({ id }) => {
      const number = this.book.numberOf(id)
      return number !== undefined && this.#mayRefer[number] === true ? number : undefined
    })
    this.#index = index
    this.#known = index.extents.keep((pack) => numbers[pack])
  }

  /** What may be referred to, under numbers of the book; empty before the index is loaded. */
  get known(): ExtentTable {
    return this.#known ?? new ExtentTable()
  }

  get isIndexLoaded(): boolean {
    return this.#index !== undefined
  }
}
