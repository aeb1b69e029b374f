/** Things of the snapshot that is being made, on their way to entries of its manifest. */
import { type Entry, type PlacedPath, pathFromBytes, pathToBytes } from '@ocm/protocol'
import type { CapturedFile, Placement } from '../installation.port.ts'
import type { Look, StatCache } from '../store/stat-cache.ts'
import type { Content } from './contents.ts'
import { modifiedAtOf, permissionsOf } from './on-disk.ts'
import { NO_REFS, type Refs } from '../store/refs.ts'

export class Draft<K extends Entry['kind'] = Entry['kind']> {
  readonly place: PlacedPath
  readonly placement: Placement
  readonly kind: K
  look: Look
  /** Its number in the cache, -1 if it is new. */
  readonly cached: number
  /** Of a link. */
  readonly target: Uint8Array | undefined
  /** Its entry is the one it had in the last snapshot. */
  isSame = false
  /** What was read of it in this run. */
  content: Content | undefined = undefined
  /** It was looked through for marks, and none is in it. */
  isUnmarked = false
  isUnstable = false
  /** Whether the next run may rely on how it looks. */
  isTrusted = false
  /** Of a database. */
  database: { readonly looks: string; readonly checkedAt: number } | undefined = undefined

  constructor(of: {
    readonly place: PlacedPath
    readonly placement: Placement
    readonly kind: K
    readonly look: Look
    readonly cached: number
    readonly target?: Uint8Array | undefined
  }) {
    this.place = of.place
    this.placement = of.placement
    this.kind = of.kind
    this.look = of.look
    this.cached = of.cached
    this.target = of.target
  }

  /** On the disk, of a file. */
  get size(): number {
    return this.look.size
  }
}

export const isFile = (draft: Draft): draft is Draft<'file'> => draft.kind === 'file'
export const isLink = (draft: Draft): draft is Draft<'link'> => draft.kind === 'link'

export const nameOf = ({ root, path }: PlacedPath): string => `${root}:${path}`

export const hasContent = ({ kind }: Pick<Draft, 'kind'>): boolean =>
  kind === 'file' || kind === 'database'

/** What was read now, or what the last snapshot holds. */
export class Drafts {
  readonly cache: StatCache
  #all: Draft[] = []
  #byName: Map<string, Draft> | undefined

  constructor(cache: StatCache) {
    this.cache = cache
  }

  get all(): readonly Draft[] {
    return this.#all
  }

  add(draft: Draft): void {
    this.#all.push(draft)
    this.#byName = undefined
  }

  /** What could not be read after all. */
  drop(gone: ReadonlySet<Draft>): void {
    if (gone.size === 0) return
    this.#all = this.#all.filter((draft) => !gone.has(draft))
    this.#byName = undefined
  }

  find(place: PlacedPath): Draft | undefined {
    this.#byName ??= new Map(this.#all.map((draft) => [nameOf(draft.place), draft]))
    return this.#byName.get(nameOf(place))
  }

  refsOf(draft: Draft): Refs {
    if (draft.content) return draft.content.refs
    return hasContent(draft) ? this.cache.refsOf(draft.cached) : NO_REFS
  }

  /** Of all of them. */
  refs(): readonly Refs[] {
    const all: Refs[] = []
    let [first, next] = [0, 0]
    const take = () => {
      if (next > first) all.push(this.cache.refsBetween(first, next))
    }
    for (const { kind, cached, content } of this.#all) {
      if (content) all.push(content.refs)
      if (content || (kind !== 'file' && kind !== 'database')) continue
      // Mostly they are those of the cache from end to end.
      if (cached !== next) {
        take()
        first = cached
      }
      next = cached + 1
    }
    take()
    return all
  }

  sha256Of(draft: Draft): Uint8Array | undefined {
    if (draft.content) return draft.content.sha256
    return hasContent(draft) && draft.cached >= 0 ? this.cache.sha256Of(draft.cached) : undefined
  }

  sizeOf(draft: Draft): number {
    if (draft.content) return draft.content.size
    if (hasContent(draft)) return this.cache.sizeOf(draft.cached)
    return draft.target?.length ?? 0
  }

  entryOf(draft: Draft, resolve: (refs: Refs) => NonNullable<Entry['extents']>): Entry {
    const { place, placement, kind, look, target, isUnstable } = draft
    const sha256 = this.sha256Of(draft)
    return {
      root: place.root,
      path: pathToBytes(place.path),
      kind,
      section: placement.section,
      ...(placement.persona === undefined ? {} : { persona: placement.persona }),
      travel: placement.travel,
      mode: permissionsOf(look),
      modifiedAt: modifiedAtOf(look),
      size: this.sizeOf(draft),
      ...(sha256 ? { sha256, extents: resolve(this.refsOf(draft)) } : {}),
      ...(target ? { target } : {}),
      ...(isUnstable ? { unstable: true as const } : {}),
    }
  }
}

/** As `examine` sees it: of tens of thousands it asks most for nothing but the hash. */
export class CapturedEntry implements CapturedFile {
  readonly #drafts: Drafts
  readonly #draft: Draft<'file' | 'link'>

  constructor(drafts: Drafts, draft: Draft<'file' | 'link'>) {
    this.#drafts = drafts
    this.#draft = draft
  }

  get place(): PlacedPath {
    return this.#draft.place
  }
  get kind(): 'file' | 'link' {
    return this.#draft.kind
  }
  get placement(): Placement {
    return this.#draft.placement
  }
  get size(): number {
    return this.#drafts.sizeOf(this.#draft)
  }
  get sha256(): Uint8Array | undefined {
    return this.#drafts.sha256Of(this.#draft)
  }
  get marked(): false | undefined {
    return this.#draft.isUnmarked ? false : undefined
  }
  get target(): string | undefined {
    return this.#draft.target && pathFromBytes(this.#draft.target)
  }
}
