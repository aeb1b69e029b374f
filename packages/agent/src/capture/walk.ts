/** Everything that lies in the trees of a survey, without reading any content. */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import {
  type Omission,
  type PlacedPath,
  compareBytes,
  isWithin,
  pathFromBytes,
  pathToBytes,
} from '@ocm/protocol'
import type { Placement, Survey } from '../installation.port.ts'
import type { Pace } from './pace.ts'
import { PathFailed, onPath } from './path-failed.ts'

export interface Found {
  readonly place: PlacedPath
  /** For node:fs, byte for byte. */
  readonly path: Buffer
  readonly placement: Placement
  readonly kind: 'file' | 'directory' | 'link'
  /** Permission bits. */
  readonly mode: number
  readonly modifiedAt: number
  /** Of a file when it was found, for progress only. */
  readonly size: number
  /** Of a link. */
  readonly target?: Uint8Array
}

export interface Walked {
  readonly found: readonly Found[]
  readonly omissions: readonly Omission[]
}

export const onDisk = (path: string): Buffer => Buffer.from(pathToBytes(path))

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
  readonly device: bigint
}

class Walking implements Walked {
  readonly found: Found[] = []
  readonly omissions: Omission[] = []
  readonly #survey: Survey
  readonly #without: string
  readonly #pace: Pace
  readonly #visited = new Set<string>()
  /** The root that begins at an absolute path. */
  readonly #rootAt = new Map<string, string>()

  constructor(survey: Survey, without: string, pace: Pace) {
    this.#survey = survey
    this.#without = without
    this.#pace = pace
    for (const [root, absolute] of Object.entries(survey.layout.roots)) {
      if (!this.#rootAt.has(absolute)) this.#rootAt.set(absolute, root)
    }
  }

  async tree({ root, absolute }: Survey['trees'][number]): Promise<void> {
    const place = { root, path: '' }
    // That a root is reached over a link is a matter of this machine: what is behind it belongs to the snapshot.
    const stats = this.#try(place, () => statSync(onDisk(absolute), { bigint: true }))
    const open: Inside[] = []
    if (stats) this.#meet(place, absolute, stats, undefined, open)
    for (let here = open.pop(); here; here = open.pop()) {
      const { device } = here
      for (const name of this.#namesIn(here)) {
        const path = `${here.absolute}/${name}`
        const inside = this.#placeOf(here.place, path, name)
        const met = this.#try(inside, () => lstatSync(onDisk(path), { bigint: true }))
        if (met) this.#meet(inside, path, met, device, open)
        await this.#pace()
      }
    }
  }

  /** A root that begins here names everything below it. */
  #placeOf(parent: PlacedPath, absolute: string, name: string): PlacedPath {
    const root = this.#rootAt.get(absolute)
    if (root !== undefined) return { root, path: '' }
    return { root: parent.root, path: parent.path === '' ? name : `${parent.path}/${name}` }
  }

  /** In the order of their bytes, so that two captures find things in one order. */
  #namesIn({ place, absolute }: Inside): readonly string[] {
    const names = this.#try(place, () => readdirSync(onDisk(absolute), { encoding: 'buffer' }))
    return names?.toSorted(compareBytes).map(pathFromBytes) ?? []
  }

  #meet(
    place: PlacedPath,
    absolute: string,
    stats: BigIntStats,
    device: bigint | undefined,
    open: Inside[],
  ): void {
    if (this.#visited.has(absolute) || isWithin(this.#without, absolute)) return
    const kind = kindOf(stats)
    // Another root that is a mount of its own is walked when its turn comes.
    if (kind === 'directory' && device !== undefined && stats.dev !== device) {
      this.#omit(place, 'other-filesystem')
      return
    }
    this.#visited.add(absolute)
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
    const path = onDisk(absolute)
    const target =
      kind === 'link' ? this.#try(place, () => readlinkSync(path, { encoding: 'buffer' })) : null
    if (target === undefined) return
    this.found.push({
      place,
      path,
      placement: meaning,
      kind,
      mode: Number(stats.mode & 0o7777n),
      modifiedAt: Number(stats.mtimeNs / 1000n) / 1000,
      size: kind === 'file' ? Number(stats.size) : 0,
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

function kindOf(stats: BigIntStats): Found['kind'] | undefined {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isSymbolicLink() ? 'link' : undefined
}
