/** Everything that lies in the trees of a survey, without reading any content. */
import { type Stats, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { type Omission, type PlacedPath, isWithin, pathFromBytes, pathToBytes } from '@ocm/protocol'
import type { Survey } from '../installation.port.ts'
import { Draft } from './draft.ts'
import type { NamesKnown } from './known-names.ts'
import { RACY_MS, isSettled, lookOf, onDisk } from './on-disk.ts'
import type { Pace } from './pace.ts'
import { PathFailed, onPath } from './path-failed.ts'

type Found = Draft<'file' | 'directory' | 'link'>

/** A directory that had stood still for a while, and all of whose names are among what was found, from `first` on. */
interface Listed {
  readonly directory: PlacedPath
  readonly first: number
  readonly count: number
  /** Its names are those of the last snapshot. */
  readonly isKnown: boolean
}

export interface Walked {
  readonly found: readonly Found[]
  readonly listed: readonly Listed[]
  readonly omissions: readonly Omission[]
}

interface Walk {
  /** Absolute path of the agent's own state, which never travels. */
  readonly without: string
  readonly known: NamesKnown
  readonly now: () => number
  readonly pace: Pace
}

export async function walk(survey: Survey, how: Walk): Promise<Walked> {
  const walking = new Walking(survey, how)
  for (const tree of survey.trees) await walking.tree(tree)
  return walking
}

/** A directory still to be entered. */
export interface Inside {
  readonly found: Found
  readonly absolute: string
}

interface Met {
  readonly place: PlacedPath
  readonly absolute: string
  readonly stats: Stats
  /** Of the directory it lies in, or its own when it begins a tree. */
  readonly device: number
  readonly isRoot: boolean
  /** When it is known already. */
  readonly cached: number | undefined
}

const parentOf = (absolute: string) => absolute.slice(0, Math.max(0, absolute.lastIndexOf('/')))

class Walking implements Walked {
  readonly found: Found[] = []
  readonly listed: Listed[] = []
  readonly omissions: Omission[] = []
  readonly #survey: Survey
  readonly #how: Walk
  readonly #began: number
  readonly #visited = new Set<string>()
  /** The root that begins at an absolute path. */
  readonly #rootAt = new Map<string, string>()
  /** Directories in which a root begins, or what is left out lies: in all others names are nothing but names. */
  readonly #notable = new Set<string>()

  constructor(survey: Survey, how: Walk) {
    this.#survey = survey
    this.#how = how
    this.#began = how.now()
    for (const [root, absolute] of Object.entries(survey.layout.roots)) {
      if (!this.#rootAt.has(absolute)) this.#rootAt.set(absolute, root)
      this.#notable.add(parentOf(absolute))
    }
    this.#notable.add(parentOf(how.without))
  }

  async tree({ root, absolute }: Survey['trees'][number]): Promise<void> {
    const place = { root, path: '' }
    // That a root is reached over a link is a matter of this machine: what is behind it belongs to the snapshot.
    const stats = this.#try(place, () => statSync(onDisk(absolute)))
    const open: Inside[] = []
    if (stats && !isWithin(this.#how.without, absolute)) {
      const met = { place, absolute, stats, device: stats.dev, isRoot: true, cached: undefined }
      this.#meet(met, open)
    }
    for (let here = open.pop(); here; here = open.pop()) await this.#enter(here, open)
  }

  async #enter(here: Inside, open: Inside[]): Promise<void> {
    const { pace, without, known } = this.#how
    const { place: directory, look } = here.found
    const { root, path: top } = directory
    const isNotable = this.#notable.has(here.absolute)
    const was = isNotable ? undefined : known.in(here)
    const paths = was?.paths ?? this.#pathsIn(here)
    if (!paths) return
    const first = this.found.length
    const before = top === '' ? `${here.absolute}/` : here.absolute
    for (let n = 0; n < paths.length; n++) {
      const path = paths[n] as string
      const pause = pace()
      if (pause) await pause
      const absolute = before + path.slice(top.length)
      if (isNotable && absolute === without) continue
      // A root that begins here names everything below it.
      const begun = isNotable ? this.#rootAt.get(absolute) : undefined
      const place = begun === undefined ? { root, path } : { root: begun, path: '' }
      const stats = this.#try(place, () => lstatSync(onDisk(absolute)))
      if (!stats) continue
      const [isRoot, device] = [begun !== undefined, look.dev]
      this.#meet({ place, absolute, stats, isRoot, device, cached: was && was.first + n }, open)
    }
    const count = this.found.length - first
    if (isNotable || count < paths.length || !isSettled(look, this.#began, RACY_MS)) return
    if (!known.keepsTimes(look.dev, here.absolute)) return
    this.listed.push({ directory, first, count, isKnown: was !== undefined })
  }

  /** Paths in the root; in one order whenever it is asked for, so that two captures find things alike. */
  #pathsIn({ found: { place }, absolute }: Inside): readonly string[] | undefined {
    const names = this.#try(place, () => readdirSync(onDisk(absolute)))
    // What is not UTF-8 has to be asked for byte for byte.
    const exact = names?.some((name) => name.includes('\ufffd'))
      ? this.#try(place, () => readdirSync(onDisk(absolute), { encoding: 'buffer' }))
      : names
    const before = place.path === '' ? '' : `${place.path}/`
    return exact
      ?.map((name) => before + (typeof name === 'string' ? name : pathFromBytes(name)))
      .toSorted()
  }

  #meet({ place, absolute, stats, device, isRoot, cached }: Met, open: Inside[]): void {
    const kind = kindOf(stats)
    // Another root that is a mount of its own is walked when its turn comes.
    if (kind === 'directory' && stats.dev !== device) {
      this.#omit(place, 'other-filesystem')
      return
    }
    // Only what is entered, or is a root of its own, can be met twice.
    if (kind === 'directory' || isRoot) {
      if (this.#visited.has(absolute)) return
      this.#visited.add(absolute)
    }
    if (kind === undefined) {
      this.#omit(place, 'special')
      return
    }
    const meaning = this.#survey.classify(place, kind)
    if ('skip' in meaning) return
    if ('omit' in meaning) {
      this.#omit(place, meaning.omit)
      return
    }
    const target =
      kind === 'link'
        ? this.#try(place, () => readlinkSync(onDisk(absolute), { encoding: 'buffer' }))
        : null
    if (target === undefined) return
    const found = new Draft({
      place,
      placement: meaning,
      kind,
      look: lookOf(stats),
      cached: cached ?? this.#how.known.numberOf(place),
      target: target === null ? undefined : new Uint8Array(target),
    })
    this.found.push(found)
    if (kind === 'directory') open.push({ found, absolute })
  }

  #omit(place: PlacedPath, why: Omission['why']): void {
    this.omissions.push({ root: place.root, path: pathToBytes(place.path), why })
  }

  /** Undefined when the path cannot be read, which is noted. */
  #try<T>(place: PlacedPath, call: () => T): T | undefined {
    try {
      return onPath(call)
    } catch (error) {
      if (!(error instanceof PathFailed)) throw error
      this.#omit(place, error.why)
      return undefined
    }
  }
}

function kindOf(stats: Stats): Found['kind'] | undefined {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isSymbolicLink() ? 'link' : undefined
}
