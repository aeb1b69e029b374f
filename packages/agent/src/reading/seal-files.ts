/** The end of writing: permissions, times, and all of it durable. */
import { type Entry } from '@ocm/protocol'
import type { Crew } from './crew.ts'
import type { Durably } from './make-durable.ts'
import type { FileSpot, SealOrder } from './orders.ts'
import type { Placing } from './write-files.ts'

/** What a file looked like when it was sealed, to tell later whether it still is as it was written. */
export interface Seen {
  readonly inode: bigint
  /** Nanoseconds. */
  readonly changedAt: bigint
}

/** @returns by entry, the files whose content is still what was written. */
export async function sealFiles(
  placings: readonly Placing[],
  crew: Crew,
  durable: Durably,
): Promise<ReadonlyMap<Entry, Seen>> {
  const sync = await durable.settle()
  const files: { readonly spot: FileSpot; readonly entry: Entry }[] = []
  const directories: SealOrder['directories'][number][] = []
  for (const { spot, entry } of placings) {
    const { mode, modifiedAt } = entry
    if (entry.kind === 'directory') directories.push({ ...spot, mode, modifiedAt })
    if (entry.kind === 'directory' || entry.kind === 'link') continue
    const isDatabase = entry.kind === 'database'
    const file = files.length
    files.push({ entry, spot: { ...spot, file, size: entry.size, isDatabase, mode, modifiedAt } })
  }
  const seen = new Map<Entry, Seen>()
  const share = Math.max(Math.ceil(files.length / crew.size), 1)
  const shares = Array.from({ length: Math.ceil(files.length / share) }, (_, i) =>
    files.slice(i * share, (i + 1) * share),
  )
  await Promise.all(
    shares.map(async (some) => {
      const spots = some.map(({ spot }) => spot)
      const written = await crew.carryOut({ kind: 'seal', sync, files: spots, directories: [] })
      for (const [i, { entry }] of some.entries()) {
        const [inode, changedAt] = written.seen?.subarray(i * 2, i * 2 + 2) ?? []
        if (inode && changedAt) seen.set(entry, { inode, changedAt })
      }
    }),
  )
  const deepestFirst = directories.toSorted((a, b) => depthOf(b.path) - depthOf(a.path))
  await crew.carryOut({ kind: 'seal', sync, files: [], directories: deepestFirst })
  await durable.finish()
  return seen
}

const depthOf = (path: string) => path.split('/').length
