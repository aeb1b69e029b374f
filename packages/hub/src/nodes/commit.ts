/** The last act of a capture: a snapshot is there when this has answered, and not before. */
import {
  checkFollows,
  OcmError,
  type Primitives,
  readSnapshot,
  type ResultOf,
  snapshotIdOf,
  type TO_HUB,
} from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { Node, Packs, SnapshotCatalog } from './ports.ts'
import type { VaultKeeper } from './vault.ts'

/** Missing packs named in one answer. */
const LISTED = 10_000

export interface CommitNeeds {
  readonly p: Primitives
  readonly snapshots: SnapshotCatalog
  readonly packs: Packs
  readonly vault: VaultKeeper
  readonly publish: Publish
  readonly now: () => number
}

/**
 * Committing the newest snapshot again answers as before. Nothing is committed when packs are missing.
 * @throws OcmError 'signature-invalid', 'malformed', 'snapshot-refused' with `why`
 */
export async function commitSnapshot(
  { p, snapshots, packs, vault, publish, now }: CommitNeeds,
  node: Pick<Node, 'id' | 'key'>,
  statement: Uint8Array,
): Promise<ResultOf<typeof TO_HUB, 'snapshot.commit'>> {
  const header = readSnapshot(p, node.key, statement)
  const id = snapshotIdOf(p, statement)
  const { record } = vault.needed()
  if (header.node !== node.id) throw new OcmError('snapshot-refused', { why: 'node' })
  if (header.vault !== record.vault) throw new OcmError('snapshot-refused', { why: 'vault' })
  if (header.epoch > record.epoch) throw new OcmError('snapshot-refused', { why: 'epoch' })

  const newest = await snapshots.newest(node.id)
  if (newest?.id === id) return { snapshot: id, missing: [] }
  checkFollows(header, newest)

  const ids = header.packs.map((pack) => pack.id)
  if (new Set(ids).size !== ids.length) throw new OcmError('malformed', { what: 'snapshot' })
  const held = await snapshots.heldPacks(node.id, ids)
  const missing: string[] = []
  for (const pack of header.packs) {
    const have = held.get(pack.id)
    const there =
      have?.bytes === pack.bytes &&
      have.class === pack.class &&
      (await packs.size(pack.id)) === pack.bytes
    if (!there) missing.push(pack.id)
  }
  if (missing.length > 0) return { snapshot: null, missing: missing.slice(0, LISTED) }

  // The file first: a header without a row is a copy too many, a row without its file could not be recovered.
  await packs.keepHeader(id, statement)
  await snapshots.addSnapshot(id, header, statement, now())
  publish({ kind: 'snapshot-created', node: node.id, snapshot: id })
  return { snapshot: id, missing: [] }
}
