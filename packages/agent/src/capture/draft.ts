/** Things of the snapshot that is being made, on their way to entries of its manifest. */
import { type Entry, type PlacedPath, pathToBytes } from '@ocm/protocol'
import type { Placement } from '../installation.port.ts'
import type { Look, StatCache } from '../store/stat-cache.ts'
import type { Content } from './contents.ts'
import { modifiedAtOf, permissionsOf } from './on-disk.ts'
import { NO_REFS, type Refs } from '../store/refs.ts'

export interface Draft {
  readonly place: PlacedPath
  readonly placement: Placement
  readonly kind: Entry['kind']
  readonly absolute: string
  look: Look
  /** Of a link. */
  readonly target?: Uint8Array
  /** Its number in the cache, -1 if it is new. */
  readonly cached: number
  /** Its entry is the one it had in the last snapshot. */
  isSame: boolean
  /** What was read of it in this run. */
  content?: Content
  /** It was looked through for marks, and none is in it. */
  isUnmarked?: boolean
  isUnstable: boolean
  /** Whether the next run may rely on how it looks. */
  isTrusted: boolean
  /** Of a database. */
  database?: { readonly looks: string; readonly checkedAt: number }
}

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

  sha256Of(draft: Draft): Uint8Array | undefined {
    if (draft.content) return draft.content.sha256
    return hasContent(draft) ? this.cache.sha256Of(draft.cached) : undefined
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
