/** What the next run is told of this one. */
import type { PlacedPath } from '@ocm/protocol'
import { type ExtentIndex, type IndexedPack, indexedPack } from '../store/extent-index.ts'
import type { ExtentTable } from '../store/extent-table.ts'
import type { CacheContent, CacheEntry, CachedPack, Listing } from '../store/stat-cache.ts'
import type { Drafts } from './draft.ts'
import type { Listings } from './listings.ts'
import type { LiveBytes } from './live-bytes.ts'
import { isIndexed } from './packing.ts'
import type { PagesMade } from './pages.ts'
import { REF_WORDS, type Refs } from '../store/refs.ts'
import type { Placements } from './same.ts'

/** Nothing to be remembered has changed: the page of what the run found out about itself is new each time. */
export function isAsBefore(of: {
  readonly drafts: Drafts
  readonly listings: Listings
  readonly made: PagesMade
  readonly day: number
}): boolean {
  const { all, cache } = of.drafts
  const { pages } = of.made
  return (
    cache.day === of.day &&
    !of.listings.hasNew(all) &&
    cache.count === all.length &&
    cache.pages.length === pages.length &&
    all.every(({ isSame, content }) => isSame && content === undefined)
  )
}

export function cacheContentOf(of: {
  readonly drafts: Drafts
  readonly listings: Listings
  readonly made: PagesMade
  /** Those the snapshot refers to. */
  readonly packs: readonly (IndexedPack & { readonly liveBytes: number; readonly number: number })[]
  readonly placements: Placements
  readonly day: number
}): CacheContent {
  const { drafts, made, placements, day } = of
  const positions = new Map(of.packs.map(({ number }, position) => [number, position]))
  const positionOf = (pack: number) => positions.get(pack) as number
  const renumbered = (refs: Refs) =>
    Array.from(refs, (word, at) => (at % REF_WORDS === 0 ? positionOf(word) : word))
  return {
    packs: of.packs.map(cachedPack),
    // Some get their numbers while the entries are made.
    placements: placements.all,
    pages: made.pages.map((page) => ({ ...page, refs: renumbered(page.refs) })),
    databases: drafts.all.flatMap(({ database }, entry) =>
      database ? [{ entry, ...database }] : [],
    ),
    targets: drafts.all.flatMap(({ target }, entry) => (target ? [{ entry, target }] : [])),
    day,
    positionOf,
    count: drafts.all.length,
    refWords: drafts.all.reduce((sum, draft) => sum + drafts.refsOf(draft).length, 0),
    entries: entriesOf(drafts, of.listings.of(drafts.all), made, placements),
  }
}

function* entriesOf(
  drafts: Drafts,
  listings: ReadonlyMap<PlacedPath, Listing>,
  made: PagesMade,
  placements: Placements,
): Generator<CacheEntry> {
  for (const [n, draft] of drafts.all.entries()) {
    yield {
      root: draft.place.root,
      path: draft.place.path,
      kind: draft.kind,
      look: draft.look,
      placement: placements.numberOf(draft.placement),
      page: made.pageOf[n] as number,
      size: drafts.sizeOf(draft),
      sha256: drafts.sha256Of(draft),
      refs: drafts.refsOf(draft),
      isTrusted: draft.isTrusted,
      isUnstable: draft.isUnstable,
      listing: draft.kind === 'directory' ? listings.get(draft.place) : undefined,
    }
  }
}

/** Where the extents lie that the snapshot refers to. */
export function indexOf(of: {
  readonly known: ExtentTable
  /** What this run has stored, by the number of its pack. */
  readonly stored: readonly { readonly number: number; readonly extents: ExtentTable }[]
  readonly live: LiveBytes
  /** Those the snapshot refers to. */
  readonly packs: readonly (IndexedPack & { readonly number: number })[]
}): ExtentIndex {
  const packs = of.packs.filter((pack) => isIndexed(pack.class))
  const positions = new Map(packs.map(({ number }, position) => [number, position]))
  const covers = of.live.covers()
  const extents = of.known.keep((pack, segment, offset, length) =>
    covers(pack, segment, offset, length) ? positions.get(pack) : undefined,
  )
  for (const { number, extents: stored } of of.stored) {
    const position = positions.get(number)
    if (position === undefined) continue
    const kept = stored.keep((_, segment, offset, length) =>
      covers(number, segment, offset, length) ? position : undefined,
    )
    extents.addAll(kept, (pack) => pack)
  }
  return { packs: packs.map(indexedPack), extents }
}

const cachedPack = (pack: IndexedPack & { readonly liveBytes: number }): CachedPack => ({
  ...indexedPack(pack),
  liveBytes: pack.liveBytes,
})
