/**
 * Trees that are written beside what is live, in three steps: written, looked at and changed by whoever knows what they
 * are, sealed. Until they are sealed they are for their owner alone and not durable.
 */
import type { Entry, Primitives } from '@ocm/protocol'
import { crewFor } from './crew.ts'
import type { NewEntry } from './entries.ts'
import { durably } from './make-durable.ts'
import { type Seen, sealFiles } from './seal-files.ts'
import {
  type Damage,
  type PackSource,
  type Placing,
  type WriteOptions,
  writeFiles,
} from './write-files.ts'

/** What lies at one absolute path: a directory with all that is in it, or a single file or link. */
export interface NewTree {
  readonly root: string
  /** Have passed `checkEntries`. */
  readonly items: readonly NewEntry[]
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

/** @param trees nothing lies there; the directory above each is there. */
export function stageTrees(p: Primitives, trees: readonly NewTree[]): Staging {
  const tops = trees.map(({ root }) => root.slice(0, root.lastIndexOf('/')) || '/')
  const placings = trees.flatMap(({ root, items }, top) => {
    const name = root.slice(root.lastIndexOf('/') + 1)
    return items.map(({ path, entry }): Placing =>
      path === ''
        ? // No directory above it is for its owner alone.
          { entry, spot: { top, path: name }, draftMode: 0o600 }
        : { entry, spot: { top, path: `${name}/${path}` } },
    )
  })
  const bytes = placings.reduce((sum, { entry }) => sum + entry.size, 0)
  const crew = crewFor(p, tops, bytes)
  const durable = durably(trees.map(({ root }) => root))
  let written = placings
  return {
    async write(source, options) {
      const damages = await writeFiles(p, source, placings, crew, options)
      const lost = new Set(damages.map(({ entry }) => entry))
      written = placings.filter(({ entry }) => !lost.has(entry))
      durable.begin()
      return damages
    },
    seal: () => sealFiles(written, crew, durable),
    end: () => crew.end(),
  }
}
