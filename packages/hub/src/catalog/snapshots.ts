import { type Metrics, OcmError, type SnapshotState, type Trigger } from '@ocm/protocol'
import type { Selectable } from 'kysely'
import type { SnapshotCatalog } from '../nodes/ports.ts'
import type { Database, Schema } from './schema.ts'

/** SQLite binds at most 32,766 values to a statement; this also keeps a statement short enough not to block. */
const AT_ONCE = 1000

export const snapshotsIn = (db: Database): SnapshotCatalog => ({
  async heldPacks(node, ids) {
    const held = new Map<string, { bytes: number; class: string }>()
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const rows = await db
        .selectFrom('packs')
        .select(['id', 'bytes', 'class'])
        .where('node', '=', node)
        .where('id', 'in', ids.slice(at, at + AT_ONCE))
        .execute()
      for (const row of rows) held.set(row.id, { bytes: row.bytes, class: row.class })
    }
    return held
  },

  async addPack({ node, id, class: of, bytes, at }) {
    await db
      .insertInto('packs')
      .values({ node, id, class: of, bytes, received_at: at })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  },

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

  addSnapshot: (id, header, statement, receivedAt) =>
    db.transaction().execute(async (tx) => {
      const added = await tx
        .insertInto('snapshots')
        .values({
          id,
          node: header.node,
          seq: header.seq,
          header: statement,
          trigger: header.trigger,
          started_at: header.startedAt,
          finished_at: header.finishedAt,
          received_at: receivedAt,
          openclaw: header.versions.openclaw,
          metrics: JSON.stringify(header.metrics),
          stored_bytes: header.packs.reduce((sum, pack) => sum + pack.bytes, 0),
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      if (added.numInsertedOrUpdatedRows !== 1n) {
        throw new OcmError('snapshot-refused', { why: 'sequence' })
      }
      const packs = header.packs.map((pack) => ({
        snapshot: id,
        node: header.node,
        pack: pack.id,
        live_bytes: pack.liveBytes,
      }))
      for (let at = 0; at < packs.length; at += AT_ONCE) {
        await tx
          .insertInto('snapshot_packs')
          .values(packs.slice(at, at + AT_ONCE))
          .execute()
      }
    }),

  async snapshots(node) {
    const rows = await db
      .selectFrom('snapshots')
      .selectAll()
      .$if(node !== undefined, (query) => query.where('node', '=', node ?? ''))
      .orderBy('received_at', 'desc')
      .orderBy('seq', 'desc')
      .execute()
    return rows.map(stateFrom)
  },

  async snapshot(id) {
    const row = await db.selectFrom('snapshots').selectAll().where('id', '=', id).executeTakeFirst()
    return row && { ...stateFrom(row), header: row.header }
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

const stateFrom = (row: Selectable<Schema['snapshots']>): SnapshotState => ({
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
})
