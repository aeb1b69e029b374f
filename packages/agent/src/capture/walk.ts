/** Everything that lies in the trees of a survey, without reading any content. */
import { type Stats, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { type Omission, type PlacedPath, isWithin, pathFromBytes, pathToBytes } from '@ocm/protocol'
import type { Placement, Survey } from '../installation.port.ts'
import type { Look } from '../store/stat-cache.ts'
import { lookOf, onDisk } from './on-disk.ts'
import type { Pace } from './pace.ts'
import { PathFailed, onPath } from './path-failed.ts'

export interface Found {
  readonly place: PlacedPath
  readonly absolute: string
  readonly placement: Placement
  readonly kind: 'file' | 'directory' | 'link'
  readonly look: Look
  /** Of a file when it was found. */
  readonly size: number
  /** Of a link. */
  readonly target?: Uint8Array
}

export interface Walked {
  readonly found: readonly Found[]
  readonly omissions: readonly Omission[]
}

/** @param without absolute path of the agent's own state, which never travels. */
export async function walk(survey: Survey, without: string, pace: Pace): Promise<Walked> {
  const walking = new Walking(survey, without, pace)
  for (const tree of survey.trees) await walking.tree(tree)
  return walking
}

/** A directory still to be entered. */
interface Inside {
  readonly place: PlacedPath
  readonly absolute: string
  readonly device: number
}

const parentOf = (absolute: string) => absolute.slice(0, Math.max(0, absolute.lastIndexOf('/')))

class Walking implements Walked {
  readonly found: Found[] = []
  readonly omissions: Omission[] = []
  readonly #survey: Survey
  readonly #without: string
  readonly #pace: Pace
  readonly #visited = new Set<string>()
  /** The root that begins at an absolute path. */
  readonly #rootAt = new Map<string, string>()
  /** Directories in which a root begins, or what is left out lies: in all others names are nothing but names. */
  readonly #notable = new Set<string>()

  constructor(survey: Survey, without: string, pace: Pace) {
    this.#survey = survey
    this.#without = without
    this.#pace = pace
    for (const [root, absolute] of Object.entries(survey.layout.roots)) {
      if (!this.#rootAt.has(absolute)) this.#rootAt.set(absolute, root)
      this.#notable.add(parentOf(absolute))
    }
    this.#notable.add(parentOf(without))
  }

  async tree({ root, absolute }: Survey['trees'][number]): Promise<void> {
    const place = { root, path: '' }
    // That a root is reached over a link is a matter of this machine: what is behind it belongs to the snapshot.
    const stats = this.#try(place, () => statSync(onDisk(absolute)))
    const open: Inside[] = []
    if (stats && !isWithin(this.#without, absolute)) {
      this.#meet(place, absolute, stats, undefined, true, open)
    }
    for (let here = open.pop(); here; here = open.pop()) {
      const { device } = here
      const isNotable = this.#notable.has(here.absolute)
      const before = here.place.path === '' ? '' : `${here.place.path}/`
      for (const name of this.#namesIn(here)) {
        const pause = this.#pace()
        if (pause) await pause
        const path = `${here.absolute}/${name}`
        if (isNotable && path === this.#without) continue
        // A root that begins here names everything below it.
        const begun = isNotable ? this.#rootAt.get(path) : undefined
        const inside =
          begun === undefined
            ? { root: here.place.root, path: before + name }
            : { root: begun, path: '' }
        const met = this.#try(inside, () => lstatSync(onDisk(path)))
        if (met) this.#meet(inside, path, met, device, begun !== undefined, open)
      }
    }
  }

  /** In one order whenever it is asked for, so that two captures find things alike. */
  #namesIn({ place, absolute }: Inside): readonly string[] {
    const names = this.#try(place, () => readdirSync(onDisk(absolute))) ?? []
    // What is not UTF-8 has to be asked for byte for byte.
    if (!names.some((name) => name.includes('\ufffd'))) return names.toSorted()
    const exact = this.#try(place, () => readdirSync(onDisk(absolute), { encoding: 'buffer' }))
    return exact?.map(pathFromBytes).toSorted() ?? []
  }

  #meet(
    place: PlacedPath,
    absolute: string,
    stats: Stats,
    device: number | undefined,
    isRoot: boolean,
    open: Inside[],
  ): void {
    const kind = kindOf(stats)
    // Another root that is a mount of its own is walked when its turn comes.
    if (kind === 'directory' && device !== undefined && stats.dev !== device) {
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
    this.found.push({
      place,
      absolute,
      placement: meaning,
      kind,
      look: lookOf(stats),
      size: kind === 'file' ? stats.size : 0,
      ...(target === null ? {} : { target: new Uint8Array(target) }),
    })
    if (kind === 'directory') open.push({ place, absolute, device: stats.dev })
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
