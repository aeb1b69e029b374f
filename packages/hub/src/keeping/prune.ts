/** What would go and why the rest stays; and letting it go, which can be taken back for the grace. */
import {
  judgeRetention,
  type PrunePreview,
  type PruneResult,
  type RetentionLock,
} from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { SnapshotCatalog } from '../nodes/ports.ts'
import type { Audit } from '../people/ports.ts'
import type { Judge, KeepingCatalog } from './ports.ts'

export interface PruneNeeds {
  readonly keeping: KeepingCatalog
  readonly snapshots: Pick<SnapshotCatalog, 'snapshot'>
  readonly audit: Audit
  readonly publish: Publish
  readonly now: () => number
}

const judgeBy =
  (lock: RetentionLock, now: number): Judge =>
  (snapshots, policy) =>
    judgeRetention(snapshots, { policy, lock, now })

/** Changes nothing. */
export async function previewPrune(
  { keeping, now }: Pick<PruneNeeds, 'keeping' | 'now'>,
  node?: string,
): Promise<PrunePreview> {
  const { lock, graceHours } = await keeping.settings()
  const nodes: PrunePreview['nodes'] = []
  for (const verdicts of await keeping.judged(judgeBy(lock, now()), node)) {
    const going = verdicts.snapshots.filter(({ keep }) => keep.length === 0).map(({ id }) => id)
    const bytes = going.length === 0 ? 0 : await keeping.bytesOnlyOf(verdicts.node, going)
    nodes.push({ ...verdicts, snapshots: [...verdicts.snapshots], bytes })
  }
  return { nodes, lock, graceHours }
}

/**
 * Policy, lock and jobs are looked at once more in the transaction that prunes.
 * @param wanted those that somebody has looked at; without it, all that go.
 */
export async function prune(
  { keeping, audit, publish, now }: PruneNeeds,
  wanted: readonly string[] | undefined,
  actor: string,
): Promise<PruneResult> {
  const at = now()
  const { lock } = await keeping.settings()
  const some = wanted && new Set(wanted)
  const gone = await keeping.prune(judgeBy(lock, at), some, { now, actor })
  for (const [node, group] of Map.groupBy(gone, (one) => one.node)) {
    for (const { id } of group) {
      await audit.note({ at, actor, action: 'pruned', subject: id })
    }
    publish({ kind: 'snapshots-changed', node })
  }
  const pruned = gone.map(({ id }) => id)
  const isPruned = new Set(pruned)
  return { pruned, kept: (wanted ?? []).filter((id) => !isPruned.has(id)) }
}

/** @throws OcmError 'undo-too-late' */
export async function undoPrune(needs: PruneNeeds, snapshot: string, actor: string): Promise<void> {
  await needs.keeping.undo(snapshot)
  await told(needs, snapshot, actor, 'prune-undone')
}

/** @throws OcmError 'not-found', 'snapshot-pruned' */
export async function setPinned(
  needs: PruneNeeds,
  snapshot: string,
  pinned: boolean,
  actor: string,
): Promise<void> {
  await needs.keeping.setPinned(snapshot, pinned)
  await told(needs, snapshot, actor, pinned ? 'pinned' : 'unpinned')
}

async function told(
  { audit, publish, snapshots, now }: PruneNeeds,
  snapshot: string,
  actor: string,
  action: string,
): Promise<void> {
  await audit.note({ at: now(), actor, action, subject: snapshot })
  const of = await snapshots.snapshot(snapshot)
  if (of) publish({ kind: 'snapshots-changed', node: of.node })
}
