import { checkFollows, type Metrics, type SnapshotState, type Trigger } from '@ocm/protocol'
import type { Selectable } from 'kysely'
import type { SnapshotCatalog } from '../nodes/ports.ts'
import { AT_ONCE, claimPacks } from './claim.ts'
import type { Database, Schema } from './schema.ts'

export const snapshotsIn = (db: Database): SnapshotCatalog => ({
  claimPacks: (node, wanted, size, at) =>
    db.transaction().execute((tx) => claimPacks(tx, node, wanted, size, at)),

  addPack: ({ node, id, class: of, bytes, at }, size) =>
    db.transaction().execute(async (tx) => {
      // Of any node: they share the file. Where none is being deleted, nobody is about to remove what we look at now.
      const dying = await tx
        .selectFrom('packs')
        .select('id')
        .where('id', '=', id)
        .where('state', '=', 'deleting')
        .executeTakeFirst()
      if (dying || (await size(id)) !== bytes) return false
      await tx
        .insertInto('packs')
        .values({ node, id, class: of, bytes, received_at: at, checked_at: at })
        .onConflict((conflict) =>
          conflict.columns(['node', 'id']).doUpdateSet({ state: 'live', tombstoned_at: null }),
        )
        .execute()
      // Whoever else refers to this file has it whole again too.
      await tx
        .updateTable('packs')
        .set({ checked_at: at, damage: null, damaged_at: null })
        .where('id', '=', id)
        .execute()
      return true
    }),

  async isPack(id) {
    const row = await db.selectFrom('packs').select('id').where('id', '=', id).executeTakeFirst()
    return row !== undefined
  },

  newest: (node) =>
    db
      .selectFrom('snapshots')
      .select(['id', 'seq', 'header'])
      .where('node', '=', node)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst(),

  async newestOfEach() {
    const rows = await db
      .selectFrom('snapshots as s')
      .select(['s.node', 's.id', 's.received_at', 's.stored_bytes'])
      .where('s.seq', '=', (inner) =>
        inner
          .selectFrom('snapshots as newer')
          .select((of) => of.fn.max('newer.seq').as('seq'))
          .whereRef('newer.node', '=', 's.node'),
      )
      .execute()
    return new Map(
      rows.map((row) => [
        row.node,
        { id: row.id, receivedAt: row.received_at, bytes: row.stored_bytes },
      ]),
    )
  },

  async expectHeader(snapshot) {
    await db
      .insertInto('loose_headers')
      .values({ snapshot })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  },

  async forgetHeader(snapshot) {
    await db.deleteFrom('loose_headers').where('snapshot', '=', snapshot).execute()
  },

  async looseHeaders() {
    const rows = await db
      .selectFrom('loose_headers')
      .select('snapshot')
      .where('snapshot', 'not in', (inner) => inner.selectFrom('snapshots').select('id'))
      .execute()
    return rows.map((row) => row.snapshot)
  },

  addSnapshot: ({ id, header, statement, at }, size) =>
    db.transaction().execute(async (tx) => {
      const newest = await tx
        .selectFrom('snapshots')
        .select(['id', 'seq'])
        .where('node', '=', header.node)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst()
      checkFollows(header, newest)
      const missing = await claimPacks(tx, header.node, header.packs, size, at)
      if (missing.length > 0) return missing
      await insertSnapshot(tx, { id, header, statement, at })
      return []
    }),

  async snapshots(node, pruned = false) {
    const rows = await db
      .selectFrom('snapshots')
      .selectAll()
      .$if(node !== undefined, (query) => query.where('node', '=', node ?? ''))
      .$if(!pruned, (query) => query.where('pruned_at', 'is', null))
      .orderBy('received_at', 'desc')
      .orderBy('seq', 'desc')
      .execute()
    const damaged = await damagedIn(db)
    return rows.map((row) => stateFrom(row, damaged))
  },

  async snapshot(id) {
    const row = await db.selectFrom('snapshots').selectAll().where('id', '=', id).executeTakeFirst()
    return row && { ...stateFrom(row, await damagedIn(db)), header: row.header }
  },

  async setVerified(snapshot, at) {
    const { numUpdatedRows } = await db
      .updateTable('snapshots')
      .set({ verified_at: at })
      .where('id', '=', snapshot)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  },

  async packOf(snapshots, pack) {
    if (snapshots.length === 0) return undefined
    return db
      .selectFrom('snapshot_packs as used')
      .innerJoin('packs', (join) =>
        join.onRef('packs.node', '=', 'used.node').onRef('packs.id', '=', 'used.pack'),
      )
      .select('packs.bytes')
      .where('used.snapshot', 'in', snapshots)
      .where('used.pack', '=', pack)
      .executeTakeFirst()
  },
})

type Added = Parameters<SnapshotCatalog['addSnapshot']>[0]

/** The snapshot and what it refers to; its packs have rows. */
export async function insertSnapshot(
  tx: Database,
  { id, header, statement, at }: Added,
): Promise<void> {
  await tx
    .insertInto('snapshots')
    .values({
      id,
      node: header.node,
      seq: header.seq,
      header: statement,
      trigger: header.trigger,
      started_at: header.startedAt,
      finished_at: header.finishedAt,
      received_at: at,
      openclaw: header.versions.openclaw,
      metrics: JSON.stringify(header.metrics),
      stored_bytes: header.packs.reduce((sum, pack) => sum + pack.bytes, 0),
    })
    .execute()
  const packs = header.packs.map((pack) => ({
    snapshot: id,
    node: header.node,
    pack: pack.id,
    live_bytes: pack.liveBytes,
  }))
  for (let from = 0; from < packs.length; from += AT_ONCE) {
    await tx
      .insertInto('snapshot_packs')
      .values(packs.slice(from, from + AT_ONCE))
      .execute()
  }
  await tx.deleteFrom('loose_headers').where('snapshot', '=', id).execute()
}

/** How many packs of each snapshot are damaged or missing; those of which none is are left out. */
export async function damagedIn(db: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('packs')
    .innerJoin('snapshot_packs as used', (join) =>
      join.onRef('used.node', '=', 'packs.node').onRef('used.pack', '=', 'packs.id'),
    )
    .select((of) => ['used.snapshot', of.fn.countAll<number>().as('count')])
    .where('packs.damage', 'is not', null)
    .groupBy('used.snapshot')
    .execute()
  return new Map(rows.map(({ snapshot, count }) => [snapshot, count]))
}

const stateFrom = (
  row: Selectable<Schema['snapshots']>,
  damaged: ReadonlyMap<string, number>,
): SnapshotState => ({
  id: row.id,
  node: row.node,
  seq: row.seq,
  trigger: row.trigger as Trigger,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  receivedAt: row.received_at,
  openclaw: row.openclaw,
  metrics: JSON.parse(row.metrics) as Metrics,
  storedBytes: row.stored_bytes,
  pinned: row.pinned === 1,
  prunedAt: row.pruned_at,
  damaged: damaged.get(row.id) ?? 0,
  verifiedAt: row.verified_at,
})
