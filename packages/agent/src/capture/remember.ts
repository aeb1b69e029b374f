/** What the next run is told of this one. */
import { type IndexedPack, indexedPack } from '../store/extent-index.ts'
import type { CacheContent, CacheEntry, CachedPack } from '../store/stat-cache.ts'
import type { Drafts } from './draft.ts'
import type { PagesMade } from './pages.ts'
import { REF_WORDS, type Refs } from './refs.ts'
import type { Placements } from './same.ts'

/** Nothing to be remembered has changed: the page of what the run found out about itself is new each time. */
export function isAsBefore({ all, cache }: Drafts, { pages }: PagesMade, day: number): boolean {
  return (
    cache.day === day &&
    cache.count === all.length &&
    cache.pages.length === pages.length &&
    all.every(({ isSame, content }) => isSame && content === undefined)
  )
}

export function cacheContentOf(of: {
  readonly drafts: Drafts
  readonly made: PagesMade
  /** Those the snapshot refers to. */
  readonly packs: readonly (IndexedPack & { readonly liveBytes: number; readonly number: number })[]
  readonly placements: Placements
  readonly day: number
}): CacheContent {
  const { drafts, made, placements, day } = of
  const positions = new Map(of.packs.map(({ number }, position) => [number, position]))
  const renumbered = (refs: Refs): Refs => {
    const copy = refs.slice()
    for (let at = 0; at < copy.length; at += REF_WORDS) {
      copy[at] = positions.get(copy[at] as number) as number
    }
    return copy
  }
  const entries = drafts.all.map((draft, n): CacheEntry => ({
    root: draft.place.root,
    path: draft.place.path,
    kind: draft.kind,
    look: draft.look,
    placement: placements.numberOf(draft.placement),
    page: made.pageOf[n] as number,
    size: drafts.sizeOf(draft),
    sha256: drafts.sha256Of(draft),
    refs: renumbered(drafts.refsOf(draft)),
    isTrusted: draft.isTrusted,
    isUnstable: draft.isUnstable,
  }))
  return {
    packs: of.packs.map(cachedPack),
    placements: placements.all,
    pages: made.pages.map((page) => ({ ...page, refs: [...renumbered(page.refs)] })),
    databases: drafts.all.flatMap(({ database }, entry) =>
      database ? [{ entry, ...database }] : [],
    ),
    targets: drafts.all.flatMap(({ target }, entry) => (target ? [{ entry, target }] : [])),
    day,
    entries,
  }
}

const cachedPack = (pack: IndexedPack & { readonly liveBytes: number }): CachedPack => ({
  ...indexedPack(pack),
  liveBytes: pack.liveBytes,
})
