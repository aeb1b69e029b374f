/**
 * A transaction keeps others waiting, so what it will ask of a bucket is asked before. What was there then and has a row
 * that is not being deleted is there still (see nodes/commit.ts); what was not is asked for again.
 */
import type { Adopting } from '../nodes/adopt.port.ts'
import type { PackSize, SnapshotCatalog } from '../nodes/ports.ts'

/** Looked at side by side. */
const ABREAST = 64

export const looksAhead = (snapshots: SnapshotCatalog): SnapshotCatalog => ({
  ...snapshots,
  claimPacks: async (node, wanted, size, at) =>
    snapshots.claimPacks(node, wanted, await lookedAt(wanted, size), at),
  addSnapshot: async (snapshot, size) =>
    snapshots.addSnapshot(snapshot, await lookedAt(snapshot.header.packs, size)),
})

export const adoptsAhead = (adopting: Adopting): Adopting => ({
  ...adopting,
  addSnapshot: async (snapshot, size) =>
    adopting.addSnapshot(snapshot, await lookedAt(snapshot.header.packs, size)),
})

async function lookedAt(
  packs: readonly { readonly id: string }[],
  size: PackSize,
): Promise<PackSize> {
  const found = new Map<string, number | undefined>()
  for (let from = 0; from < packs.length; from += ABREAST) {
    const part = packs.slice(from, from + ABREAST)
    await Promise.all(part.map(async ({ id }) => found.set(id, await size(id))))
  }
  return async (id) => found.get(id) ?? size(id)
}
