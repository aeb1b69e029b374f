import { type Metrics, OcmError, type Retained, type RetentionPolicy } from '@ocm/protocol'
import { type ExpressionBuilder, sql, type Transaction } from 'kysely'
import type {
  KeepingCatalog,
  KeepingSettings,
  NodeVerdicts,
  StoredPolicy,
} from '../keeping/ports.ts'
import { AT_ONCE } from './claim.ts'
import { textsIn } from './texts.ts'
import type { Database, Schema } from './schema.ts'
import { damagedIn } from './snapshots.ts'

type Keeping = Pick<
  KeepingCatalog,
  | 'settings'
  | 'saveSettings'
  | 'policies'
  | 'setPolicy'
  | 'newestReceivedAt'
  | 'judged'
  | 'bytesOnlyOf'
  | 'prune'
  | 'undo'
  | 'setPinned'
>

export const keepingIn = (db: Database): Keeping => ({
  async settings() {
    const row = await db.selectFrom('keeping').selectAll().executeTakeFirstOrThrow()
    return {
      lock: { days: row.lock_days, last: row.lock_last },
      graceHours: row.grace_hours,
      ranAt: row.ran_at,
      seenAt: row.seen_at,
      heldAt: row.held_at,
      scrubbedAt: row.scrubbed_at,
    }
  },

  async saveSettings(change: Partial<KeepingSettings>) {
    await db
      .updateTable('keeping')
      .set({
        id: 1,
        ...(change.lock && { lock_days: change.lock.days, lock_last: change.lock.last }),
        ...(change.graceHours !== undefined && { grace_hours: change.graceHours }),
        ...(change.ranAt !== undefined && { ran_at: change.ranAt }),
        ...(change.seenAt !== undefined && { seen_at: change.seenAt }),
        ...(change.heldAt !== undefined && { held_at: change.heldAt }),
        ...(change.scrubbedAt !== undefined && { scrubbed_at: change.scrubbedAt }),
      })
      .execute()
  },

  policies: () => policiesIn(db),

  async setPolicy(of, policy) {
    const node = of ?? ''
    if (policy === 'inherit') {
      await db.deleteFrom('retention_policies').where('node', '=', node).execute()
      return
    }
    const text = policy === null ? null : JSON.stringify(policy)
    await db
      .insertInto('retention_policies')
      .values({ node, policy: text })
      .onConflict((conflict) => conflict.column('node').doUpdateSet({ policy: text }))
      .execute()
  },

  async newestReceivedAt() {
    const row = await db
      .selectFrom('snapshots')
      .select((of) => of.fn.max<number | null>('received_at').as('at'))
      .executeTakeFirst()
    return row?.at ?? null
  },

  judged: (judge, node) => db.transaction().execute((tx) => judgedIn(tx, judge, node)),

  async bytesOnlyOf(node, snapshots) {
    const listed = textsIn(db, snapshots)
    const { rows } = await sql<{ bytes: number }>`
      select coalesce(sum(bytes), 0) as bytes from packs
      where node = ${node}
        and exists (select 1 from snapshot_packs u where u.node = packs.node and u.pack = packs.id
          and u.snapshot in (${listed}))
        and not exists (select 1 from snapshot_packs u join snapshots s on s.id = u.snapshot
          where u.node = packs.node and u.pack = packs.id and s.pruned_at is null
          and s.id not in (${listed}))`.execute(db)
    return rows[0]?.bytes ?? 0
  },

  prune: (judge, wanted, { now, actor }) =>
    db.transaction().execute(async (tx) => {
      const verdicts = await judgedIn(tx, judge)
      // Asked here, not before the turn of this transaction came: from now on the grace counts.
      const at = now()
      const going = verdicts.flatMap(({ node, snapshots }) =>
        snapshots
          .filter(({ id, keep }) => keep.length === 0 && (wanted === undefined || wanted.has(id)))
          .map(({ id }) => ({ id, node })),
      )
      for (let from = 0; from < going.length; from += AT_ONCE) {
        await tx
          .updateTable('snapshots')
          .set({ pruned_at: at, pruned_by: actor })
          .where(
            'id',
            'in',
            going.slice(from, from + AT_ONCE).map(({ id }) => id),
          )
          .execute()
      }
      return going
    }),

  undo: (snapshot) =>
    db.transaction().execute(async (tx) => {
      const taken = await tx
        .updateTable('snapshots')
        .set({ pruned_at: null, pruned_by: null })
        .where('id', '=', snapshot)
        .executeTakeFirst()
      // Collected: its row is gone in the same transaction in which its header became loose.
      if (taken.numUpdatedRows !== 1n) throw new OcmError('undo-too-late')
      // None of them is being deleted: the snapshot's references have held them.
      await tx
        .updateTable('packs')
        .set({ state: 'live', tombstoned_at: null })
        .where('state', '=', 'tombstoned')
        .where((is) =>
          is.exists(
            is
              .selectFrom('snapshot_packs as used')
              .select('used.pack')
              .where('used.snapshot', '=', snapshot)
              .whereRef('used.node', '=', 'packs.node')
              .whereRef('used.pack', '=', 'packs.id'),
          ),
        )
        .execute()
    }),

  setPinned: (snapshot, pinned) =>
    db.transaction().execute(async (tx) => {
      const row = await tx
        .selectFrom('snapshots')
        .select('pruned_at')
        .where('id', '=', snapshot)
        .executeTakeFirst()
      if (!row) throw new OcmError('not-found', { what: 'snapshot' })
      if (row.pruned_at !== null && pinned) throw new OcmError('snapshot-pruned')
      await tx
        .updateTable('snapshots')
        .set({ pinned: pinned ? 1 : 0 })
        .where('id', '=', snapshot)
        .execute()
    }),
})

/** An unfinished job starts from this snapshot, or ends in it, or has still to be told to discard what it staged of it. */
export const isInUse = (is: ExpressionBuilder<Schema, 'snapshots'>) =>
  is.exists(
    is
      .selectFrom('jobs')
      .select('jobs.id')
      .where((of) =>
        of.or([
          of('jobs.state', 'in', ['queued', 'running', 'waiting'] as const),
          of('jobs.discard_owed', '=', 1),
        ]),
      )
      .where((of) =>
        of.or([
          of('jobs.snapshot', '=', of.ref('snapshots.id')),
          of('jobs.final_snapshot', '=', of.ref('snapshots.id')),
        ]),
      ),
  )

async function policiesIn(db: Database | Transaction<Schema>): Promise<StoredPolicy[]> {
  const rows = await db.selectFrom('retention_policies').selectAll().orderBy('node').execute()
  return rows.map(({ node, policy }) => ({
    of: node === '' ? null : node,
    policy: policy === null ? null : (JSON.parse(policy) as RetentionPolicy),
  }))
}

async function judgedIn(
  tx: Transaction<Schema>,
  judge: Parameters<KeepingCatalog['judged']>[0],
  node?: string,
): Promise<NodeVerdicts[]> {
  const policies = await policiesIn(tx)
  const damaged = await damagedIn(tx)
  const rows = await tx
    .selectFrom('snapshots')
    .select(['id', 'node', 'seq', 'received_at', 'pinned', 'metrics'])
    .select((is) => isInUse(is).as('in_use'))
    .where('pruned_at', 'is', null)
    .$if(node !== undefined, (query) => query.where('node', '=', node ?? ''))
    .execute()
  const all = policies.find(({ of }) => of === null)?.policy ?? null
  return [...Map.groupBy(rows, (row) => row.node)].map(([id, own]) => {
    const stored = policies.find(({ of }) => of === id)
    const policy = stored === undefined ? all : stored.policy
    const snapshots = own.map((row): Retained => ({
      id: row.id,
      seq: row.seq,
      receivedAt: row.received_at,
      pinned: row.pinned === 1,
      good: !damaged.has(row.id) && doubtsIn(JSON.parse(row.metrics) as Metrics) === 0,
      inUse: Boolean(row.in_use),
    }))
    return { node: id, policy, snapshots: judge(snapshots, policy) }
  })
}

const doubtsIn = ({ warnings, unstable, unreadable }: Metrics) => warnings + unstable + unreadable
