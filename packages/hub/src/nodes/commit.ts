/**
 * The last act of a capture: a snapshot is there when this has answered, and not before.
 *
 * The invariant of the store: **no committed snapshot refers to a pack that is not on the disk** (unless somebody took
 * the file away behind the hub's back, which a scrub finds). It rests on transactions of the catalog, never on a clock:
 *
 * 1. A pack's file is on the disk before its row is there (`pack.put`), and a row is only made or woken while no row of
 *    the same file is being deleted.
 * 2. A snapshot's transaction claims every pack: it has a row of this node that is not being deleted, and a file. The
 *    reference it adds is a foreign key: the row cannot go while the snapshot is there.
 * 3. A file is removed only after a transaction has found its row without any reference and marked it 'deleting'; a
 *    commit that comes between refuses such a row and names the pack as missing (keeping/collect.ts).
 *
 * A crash between two steps leaves a file too many, a row 'deleting' or a header without snapshot; the next start removes
 * them before a node is let in.
 */
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
  readonly vault: Pick<VaultKeeper, 'needed'>
  readonly publish: Publish
  readonly now: () => number
}

type Commit = (
  node: Pick<Node, 'id' | 'key'>,
  statement: Uint8Array,
) => Promise<ResultOf<typeof TO_HUB, 'snapshot.commit'>>

/**
 * Committing the newest snapshot again answers as before. Nothing is committed when packs are missing. Commits of one
 * node come one after the other, so that one that is refused does not remove the header of the one that was not.
 */
export function createCommit(needs: CommitNeeds): Commit {
  const turns = new Map<string, Promise<unknown>>()
  return (node, statement) => {
    const before = turns.get(node.id) ?? Promise.resolve()
    // Whoever asked for the one before has heard of its failure.
    const turn = before.catch(() => undefined).then(() => commit(needs, node, statement))
    turns.set(node.id, turn)
    const leave = () => {
      if (turns.get(node.id) === turn) turns.delete(node.id)
    }
    turn.then(leave, leave)
    return turn
  }
}

/** @throws OcmError 'signature-invalid', 'malformed', 'snapshot-refused' with `why` */
async function commit(
  { p, snapshots, packs, vault, publish, now }: CommitNeeds,
  node: Pick<Node, 'id' | 'key'>,
  statement: Uint8Array,
): ReturnType<Commit> {
  const header = readSnapshot(p, node.key, statement)
  const id = snapshotIdOf(p, statement)
  const { record } = vault.needed()
  if (header.node !== node.id) throw new OcmError('snapshot-refused', { why: 'node' })
  if (header.vault !== record.vault) throw new OcmError('snapshot-refused', { why: 'vault' })
  if (header.epoch > record.epoch) throw new OcmError('snapshot-refused', { why: 'epoch' })

  const newest = await snapshots.newest(node.id)
  if (newest?.id === id) return { snapshot: id, missing: [] }
  checkFollows(header, newest)
  const ids = new Set(header.packs.map((pack) => pack.id))
  if (ids.size !== header.packs.length) throw new OcmError('malformed', { what: 'snapshot' })

  // Asked before the header is written, for most refusals are seen here; what counts is the transaction that adds it.
  const at = now()
  const early = await snapshots.claimPacks(node.id, header.packs, packs.size, at)
  if (early.length > 0) return refused(early)

  // The file first: a header without a row is a copy too many, a row without its file could not be recovered.
  await snapshots.expectHeader(id)
  const takeBack = async () => {
    await packs.removeHeader(id)
    await snapshots.forgetHeader(id)
  }
  let missing: string[]
  try {
    await packs.keepHeader(id, statement)
    missing = await snapshots.addSnapshot({ id, header, statement, at }, packs.size)
  } catch (error) {
    // A catalog that failed may have added it all the same. The header stays; one too many goes at the next start.
    const isKnown = !(error instanceof OcmError && error.code === 'catalog-failed')
    if (isKnown) await takeBack()
    throw error
  }
  if (missing.length > 0) {
    await takeBack()
    return refused(missing)
  }
  publish({ kind: 'snapshot-created', node: node.id, snapshot: id })
  return { snapshot: id, missing: [] }
}

const refused = (missing: readonly string[]) => ({
  snapshot: null,
  missing: missing.slice(0, LISTED),
})
