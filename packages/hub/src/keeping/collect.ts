/**
 * Gives space back. A snapshot that was pruned longer ago than the grace loses its row, then its header; a pack to which
 * no snapshot refers that is not pruned is tombstoned, and deleted when it has been that for the grace and nothing refers
 * to it at all.
 *
 * The grace is for people, who may take a prune back. That nothing is deleted which is needed rests on transactions
 * alone (see nodes/commit.ts): `beginDelete` finds a pack without references and marks it in one transaction, from then
 * on no commit takes it; then its file goes, then its row. Headers go before packs, so that whoever recovers from the bare
 * store never finds a snapshot of which the packs were collected.
 */
import type { Packs } from '../nodes/ports.ts'
import type { SnapshotCatalog } from '../nodes/ports.ts'
import type { KeepingCatalog } from './ports.ts'

/** In one transaction; a catalog that is asked for much at once keeps others waiting. */
const AT_ONCE = 100
const HOUR_MS = 3_600_000

export interface CollectNeeds {
  readonly keeping: Pick<
    KeepingCatalog,
    'settings' | 'tombstone' | 'collectSnapshots' | 'beginDelete' | 'beingDeleted' | 'deleted'
  >
  readonly snapshots: Pick<SnapshotCatalog, 'looseHeaders' | 'forgetHeader'>
  readonly packs: Pick<Packs, 'remove' | 'removeHeader'>
}

export interface Collected {
  readonly tombstoned: number
  readonly snapshots: number
  readonly packs: number
}

/** Before any node is let in: ends what a crash has cut off. */
export async function repair({ keeping, snapshots, packs }: CollectNeeds): Promise<void> {
  for (const snapshot of await snapshots.looseHeaders()) {
    await packs.removeHeader(snapshot)
    await snapshots.forgetHeader(snapshot)
  }
  await endDeleting({ keeping, packs })
}

/** Of those that a crash has cut off, or a catalog or store that failed. */
async function endDeleting({
  keeping,
  packs,
}: Pick<CollectNeeds, 'keeping' | 'packs'>): Promise<void> {
  const dying = await keeping.beingDeleted()
  if (dying.length === 0) return
  await packs.remove(dying)
  await keeping.deleted(dying)
}

/** To be called by one at a time. @throws OcmError 'store-failed', 'catalog-failed'; what is left is done the next time */
export async function collect(needs: CollectNeeds, now: number): Promise<Collected> {
  const { keeping, snapshots, packs } = needs
  await endDeleting(needs)
  const due = now - (await keeping.settings()).graceHours * HOUR_MS
  const done = { tombstoned: await keeping.tombstone(now), snapshots: 0, packs: 0 }

  for (;;) {
    const gone = await keeping.collectSnapshots(due, AT_ONCE)
    for (const snapshot of gone) {
      await packs.removeHeader(snapshot)
      await snapshots.forgetHeader(snapshot)
    }
    done.snapshots += gone.length
    if (gone.length < AT_ONCE) break
  }
  for (;;) {
    const files = await keeping.beginDelete(due, AT_ONCE)
    await packs.remove(files)
    await keeping.deleted(files)
    done.packs += files.length
    if (files.length === 0) break
  }
  return done
}
