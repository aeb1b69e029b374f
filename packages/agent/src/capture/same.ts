/** Which of the things found are as the last snapshot holds them, so that nothing of them need be read. */
import { type PlacedPath, equal } from '@ocm/protocol'
import type { Placement } from '../installation.port.ts'
import type { CachedPlacement, StatCache } from '../store/stat-cache.ts'
import { type Draft, hasContent } from './draft.ts'
import type { Earlier } from './earlier.ts'

/** Numbers for placements; those of the cache come first. */
export class Placements {
  readonly all: CachedPlacement[]
  readonly #byObject = new Map<Placement, number>()
  readonly #byText: Map<string, number>

  constructor(cached: readonly CachedPlacement[]) {
    this.all = [...cached]
    this.#byText = new Map(cached.map((one, number) => [textOf(one), number]))
  }

  numberOf(placement: Placement): number {
    const met = this.#byObject.get(placement)
    if (met !== undefined) return met
    const text = textOf(placement)
    const number = this.#byText.get(text) ?? this.#add(placement)
    this.#byText.set(text, number)
    this.#byObject.set(placement, number)
    return number
  }

  #add({ section, class: of, travel, persona }: Placement): number {
    const one = { section, class: of, travel, ...(persona === undefined ? {} : { persona }) }
    return this.all.push(one) - 1
  }
}

const textOf = ({ section, class: of, travel, persona }: Placement) =>
  `${section} ${of} ${travel} ${persona ?? ''}`

export class Comparison {
  readonly #cache: StatCache
  readonly #earlier: Earlier
  readonly placements: Placements
  /** This share of all is read in spite of looking the same; -1 for none. */
  readonly #share: number

  constructor(earlier: Earlier, share: number) {
    this.#cache = earlier.cache
    this.#earlier = earlier
    this.#share = share
    this.placements = new Placements(earlier.cache.placements)
  }

  /**
   * Marks what is as it was.
   * @param looks of a database: how it and what lies beside it look.
   * @returns whether it still has to be read.
   */
  mustRead(draft: Draft, looks?: string): boolean {
    const { place, placement, kind, look, target, cached } = draft
    const cache = this.#cache
    if (cached < 0 || cache.kindOf(cached) !== kind) return hasContent(draft)
    const wasPlaced = cache.placementOf(cached)
    const isPlacedAlike = wasPlaced === this.placements.numberOf(placement)
    if (!hasContent(draft)) {
      const was = cache.targets.get(cached)
      const isSameTarget = target === undefined || (was !== undefined && equal(was, target))
      draft.isSame = isPlacedAlike && isSameTarget && cache.showsLike(cached, look)
      return false
    }
    const database = looks === undefined ? undefined : this.#databases.get(cached)
    const isKnown =
      cache.isTrusted(cached) &&
      cache.looksLike(cached, look) &&
      cache.placements[wasPlaced]?.class === placement.class &&
      database?.looks === looks &&
      !isInShare(this.#share, place) &&
      this.#earlier.mayRefer(cache.refsOf(cached))
    if (!isKnown) return true
    draft.isSame = isPlacedAlike
    draft.isTrusted = true
    if (database) draft.database = database
    return false
  }

  get #databases(): ReadonlyMap<number, { readonly looks: string; readonly checkedAt: number }> {
    this.#byEntry ??= new Map(this.#cache.databases.map((one) => [one.entry, one]))
    return this.#byEntry
  }
  #byEntry: ReadonlyMap<number, { readonly looks: string; readonly checkedAt: number }> | undefined

  checkedAt(cached: number): number {
    return this.#databases.get(cached)?.checkedAt ?? 0
  }
}

/** Disks forget, and some programs hide what they write: in so many days everything is read once. */
export const SHARES = 30

/** @param share -1: nothing is. */
export const isInShare = (share: number, { path }: PlacedPath): boolean =>
  share >= 0 && shareOf(path) === share

function shareOf(path: string): number {
  let hash = 0
  for (let at = 0; at < path.length; at++) hash = (Math.imul(hash, 31) + path.charCodeAt(at)) | 0
  return (hash >>> 0) % SHARES
}

/** To be called for what was read although it has been captured before: often only its times have changed. */
export function markIfSame(cache: StatCache, placements: Placements, draft: Draft): void {
  const { cached, content, isUnstable, look } = draft
  if (cached < 0 || !content || isUnstable || cache.isUnstable(cached)) return
  const refs = cache.refsOf(cached)
  draft.isSame =
    cache.kindOf(cached) === draft.kind &&
    cache.placementOf(cached) === placements.numberOf(draft.placement) &&
    cache.showsLike(cached, look) &&
    equal(cache.sha256Of(cached), content.sha256) &&
    refs.length === content.refs.length &&
    refs.every((word, n) => word === content.refs[n])
}

/** Whether the very same look can hide other content: it was read before, and is not what it was. */
export const isSilentChange = (cache: StatCache, { cached, look, content }: Draft): boolean =>
  cached >= 0 &&
  content !== undefined &&
  cache.isTrusted(cached) &&
  cache.looksLike(cached, look) &&
  !equal(cache.sha256Of(cached), content.sha256)
