/** Pages of the manifest. Those on which nothing changed are taken over from the last snapshot as they are stored. */
import {
  type Entry,
  type Manifest,
  compareEntries,
  cutEntries,
  eachOtherPage,
  entriesPage,
  hex,
} from '@ocm/protocol'
import { type CachedPage } from '../store/stat-cache.ts'
import { type ContentSink, memoryContent } from './contents.ts'
import type { Draft, Drafts } from './draft.ts'
import type { Earlier } from './earlier.ts'
import type { Refs } from '../store/refs.ts'

export interface PageMade {
  /** How many entries are on it; 0: something else is. */
  readonly entries: number
  readonly bytes: number
  readonly sha256: Uint8Array
  readonly refs: Refs
}

export interface PagesMade {
  readonly pages: readonly PageMade[]
  /** Of each draft, in their order: its page. */
  readonly pageOf: Uint32Array
}

/** A page with fewer entries is joined with others of its section when one of them has to be made anyway. */
const SMALL_PAGE = 64

export class Pages {
  readonly #sink: ContentSink
  readonly #earlier: Earlier
  readonly #relieve: () => Promise<void>
  readonly #made: PageMade[] = []
  /** Pages of the last snapshot by their hash. */
  readonly #known: ReadonlyMap<string, CachedPage>

  constructor(sink: ContentSink, earlier: Earlier, relieve: () => Promise<void>) {
    this.#sink = sink
    this.#earlier = earlier
    this.#relieve = relieve
    this.#known = new Map(
      earlier.cache.pages
        .filter(({ refs }) => earlier.mayRefer(Uint32Array.from(refs)))
        .map((page) => [hex(page.sha256), page]),
    )
  }

  async make(
    drafts: Drafts,
    rest: Omit<Manifest, 'entries'>,
    resolve: (refs: Refs) => NonNullable<Entry['extents']>,
  ): Promise<PagesMade> {
    for (const page of eachOtherPage(rest)) await this.#add(page, 0)
    const pageOf = new Uint32Array(drafts.all.length)
    const dirty = this.#takeOver(drafts, pageOf)
    const entries = dirty.map((n) => drafts.entryOf(drafts.all[n] as Draft, resolve))
    const numberOf = new Map(entries.map((entry, at) => [entry, dirty[at] as number]))
    for (const page of cutEntries(entries.toSorted(compareEntries))) {
      for (const entry of page) pageOf[numberOf.get(entry) as number] = this.#made.length
      await this.#add(entriesPage(page), page.length)
    }
    return { pages: this.#made, pageOf }
  }

  async #add(bytes: Uint8Array, entries: number): Promise<void> {
    const sha256 = this.#sink.p.sha256(bytes)
    const known = this.#known.get(hex(sha256))
    const refs = known
      ? Uint32Array.from(known.refs)
      : memoryContent(this.#sink, 'tree', bytes).refs
    this.#made.push({ entries, bytes: bytes.length, sha256, refs })
    await this.#relieve()
  }

  /** @returns positions of drafts whose page has to be made. */
  #takeOver({ all, cache }: Drafts, pageOf: Uint32Array): readonly number[] {
    const same = new Uint32Array(cache.pages.length)
    for (const { isSame, cached } of all) {
      if (isSame) same[cache.pageOf(cached)] = (same[cache.pageOf(cached)] as number) + 1
    }
    const stays = cache.pages.map(
      (page, n) =>
        page.entries > 0 &&
        same[n] === page.entries &&
        this.#earlier.mayRefer(Uint32Array.from(page.refs)),
    )
    const isOnGoodPage = ({ isSame, cached }: Draft) =>
      isSame && stays[cache.pageOf(cached)] === true
    const touched = new Set(all.filter((one) => !isOnGoodPage(one)).map(sectionOf))
    for (const draft of all) {
      if (!isOnGoodPage(draft) || !touched.has(sectionOf(draft))) continue
      const page = cache.pageOf(draft.cached)
      if ((cache.pages[page]?.entries ?? 0) < SMALL_PAGE) stays[page] = false
    }
    const number = cache.pages.map((page, n) =>
      stays[n] ? this.#made.push({ ...page, refs: Uint32Array.from(page.refs) }) - 1 : -1,
    )
    const dirty: number[] = []
    for (const [n, draft] of all.entries()) {
      if (isOnGoodPage(draft)) pageOf[n] = number[cache.pageOf(draft.cached)] as number
      else dirty.push(n)
    }
    return dirty
  }
}

const sectionOf = ({ placement }: Draft) => placement.section
