/**
 * Trees that are written beside what is live, in three steps: written, looked at and changed by whoever knows what they
 * are, sealed. Until they are sealed they are for their owner alone and not durable.
 */
import type { Entry, Primitives } from '@ocm/protocol'
import { type Crew, crewFor } from './crew.ts'
import type { NewEntry } from './entries.ts'
import { durably, notDurably } from './make-durable.ts'
import type { Spot } from './orders.ts'
import { sealFiles } from './seal-files.ts'
import {
  type Damage,
  type PackSource,
  type Placing,
  type Seen,
  type WriteOptions,
  writeFiles,
} from './write-files.ts'

/** What lies at one absolute path: a directory with all that is in it, or a single file or link. */
export interface NewTree {
  readonly root: string
  /** Have passed `checkEntries`. */
  readonly items: readonly StagedEntry[]
}

export interface StagedEntry extends NewEntry {
  /** The absolute path of a file of the same content that may be taken away from there, and how it was sealed. */
  readonly twin?: { readonly path: string; readonly seen: Seen } | undefined
}

export interface Staging {
  /**
   * @returns what could not be read, and is not there.
   * @throws OcmError 'seal-broken' for a pack that nothing opens, and what `fetch`, the disk and the signal throw
   */
  write(source: PackSource, options?: WriteOptions): Promise<readonly Damage[]>
  /**
   * Gives everything its permissions and times and answers when all of it is durable, with whatever was changed or
   * added since.
   * @returns what is still as it was written.
   */
  seal(): Promise<ReadonlyMap<Entry, Seen>>
  /** To be called in any case, when nothing else is at work. Removes nothing. */
  end(): Promise<void>
}

/**
 * @param trees nothing lies there; the directory above each is there.
 * @param durable false for what is going to be thrown away again: `seal` waits for no disk then.
 */
export function stageTrees(p: Primitives, trees: readonly NewTree[], durable = true): Staging {
  const tops = trees.map(({ root }) => parentOf(root))
  const placings = trees.flatMap(({ root, items }, top) => {
    const name = root.slice(root.lastIndexOf('/') + 1)
    return items.map(({ path, entry, twin }): Placing => {
      // No directory above what is a tree by itself is for its owner alone.
      if (path === '') return { entry, spot: { top, path: name }, draftMode: 0o600 }
      const spot = { top, path: `${name}/${path}` }
      const from = twin && spotOf(tops, twin.path)
      return { entry, spot, ...(from ? { twin: { spot: from, seen: twin.seen } } : {}) }
    })
  })
  const work = placings.reduce((sum, { entry, twin }) => sum + (twin ? FILE : FILE + entry.size), 0)
  let crew: Crew | undefined
  const atWork = () => (crew ??= crewFor(p, tops, work))
  /** Between writing and sealing others are at work, and need the memory. */
  const rest = async () => {
    const resting = crew
    crew = undefined
    await resting?.end()
  }
  const onDisk = durable ? durably(trees.map(({ root }) => root)) : notDurably
  let written = placings
  return {
    async write(source, options) {
      const damages = await writeFiles(p, source, placings, atWork(), options)
      await rest()
      const lost = new Set(damages.map(({ entry }) => entry))
      written = placings.filter(({ entry }) => !lost.has(entry))
      onDisk.begin()
      return damages
    },
    seal: () => sealFiles(written, atWork(), onDisk),
    end: rest,
  }
}

/** To make or to take over a file takes as long as to write so many bytes. */
const FILE = 1024

const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/'

/** Undefined for what lies beside none of the trees, and so perhaps on another filesystem. */
function spotOf(tops: readonly string[], path: string): Spot | undefined {
  const top = tops.findIndex((above) => path.startsWith(above === '/' ? above : `${above}/`))
  const above = tops[top]
  return above === undefined
    ? undefined
    : { top, path: path.slice(above === '/' ? 1 : above.length + 1) }
}
