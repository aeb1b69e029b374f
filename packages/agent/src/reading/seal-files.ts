/** The end of writing: permissions, times, and all of it durable. */
import type { Entry } from '@ocm/protocol'
import type { Crew } from './crew.ts'
import type { Durably } from './make-durable.ts'
import type { FileSpot, SealOrder } from './orders.ts'
import { type Placing, type Seen, fileSpot, sharesOf } from './write-files.ts'

/** @returns by entry, the files whose content is still what was written. */
export async function sealFiles(
  placings: readonly Placing[],
  crew: Crew,
  durable: Durably,
): Promise<ReadonlyMap<Entry, Seen>> {
  const sync = await durable.settle()
  const files: { readonly spot: FileSpot; readonly entry: Entry }[] = []
  const directories: { readonly depth: number; readonly it: SealOrder['directories'][number] }[] =
    []
  for (const { spot, entry } of placings) {
    const { mode, modifiedAt } = entry
    if (entry.kind === 'directory') {
      directories.push({ depth: depthOf(spot.path), it: { ...spot, mode, modifiedAt } })
    }
    if (entry.kind === 'directory' || entry.kind === 'link') continue
    files.push({ entry, spot: fileSpot(spot, files.length, entry) })
  }
  const seen = new Map<Entry, Seen>()
  await Promise.all(
    sharesOf(files, crew.size).map(async (some) => {
      const spots = some.map(({ spot }) => spot)
      const written = await crew.carryOut({ kind: 'seal', sync, files: spots, directories: [] })
      for (const [i, { entry }] of some.entries()) {
        const [inode, changedAt] = written.seen?.subarray(i * 2, i * 2 + 2) ?? []
        if (inode && changedAt) seen.set(entry, { inode, changedAt })
      }
    }),
  )
  const deepestFirst = directories.toSorted((a, b) => b.depth - a.depth).map(({ it }) => it)
  await crew.carryOut({ kind: 'seal', sync, files: [], directories: deepestFirst })
  await durable.finish()
  return seen
}

const depthOf = (path: string) => path.split('/').length
