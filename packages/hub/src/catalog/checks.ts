import { sql } from 'kysely'
import type { KeepingCatalog } from '../keeping/ports.ts'
import type { Database } from './schema.ts'

type Checks = Pick<KeepingCatalog, 'leastChecked' | 'checked' | 'damage' | 'hit' | 'packCounts'>

export const checksIn = (db: Database): Checks => ({
  leastChecked: (before, now, most) =>
    db
      .selectFrom('packs')
      .select(['node', 'id', 'bytes', 'checked_at as checkedAt', 'damage'])
      .where((is) => is.or([is('checked_at', '<', before), is('checked_at', '>', now)]))
      .where('state', '<>', 'deleting')
      .orderBy('checked_at')
      .limit(most)
      .execute(),

  async checked({ node, id, checkedAt }, found, at) {
    const damage =
      found === 'whole'
        ? { damage: null, damaged_at: null }
        : { damage: found, damaged_at: sql<number>`coalesce(damaged_at, ${at})` }
    await db
      .updateTable('packs')
      .set({ checked_at: at, ...damage })
      .where('node', '=', node)
      .where('id', '=', id)
      .where('state', '<>', 'deleting')
      .where('checked_at', '=', checkedAt)
      .execute()
  },

  async damage(snapshot) {
    const rows = await db
      .selectFrom('packs')
      .select(['id', 'node', 'damage', 'damaged_at', 'bytes'])
      .where('damage', 'is not', null)
      .$if(snapshot !== undefined, (query) =>
        query.where((is) =>
          is.exists(
            is
              .selectFrom('snapshot_packs as used')
              .select('used.pack')
              .where('used.snapshot', '=', snapshot ?? '')
              .whereRef('used.node', '=', 'packs.node')
              .whereRef('used.pack', '=', 'packs.id'),
          ),
        ),
      )
      .orderBy('damaged_at')
      .orderBy('id')
      .execute()
    return rows.map((row) => ({
      pack: row.id,
      node: row.node,
      kind: row.damage ?? 'damaged',
      foundAt: row.damaged_at ?? 0,
      bytes: row.bytes,
    }))
  },

  async hit() {
    const rows = await db
      .selectFrom('packs')
      .innerJoin('snapshot_packs as used', (join) =>
        join.onRef('used.node', '=', 'packs.node').onRef('used.pack', '=', 'packs.id'),
      )
      .innerJoin('snapshots', 'snapshots.id', 'used.snapshot')
      .select((of) => [
        'snapshots.id as snapshot',
        'snapshots.node',
        'snapshots.received_at as receivedAt',
        of.fn.countAll<number>().as('damaged'),
      ])
      .where('packs.damage', 'is not', null)
      .where('snapshots.pruned_at', 'is', null)
      .groupBy('snapshots.id')
      .orderBy('snapshots.received_at', 'desc')
      .execute()
    return rows
  },

  async packCounts() {
    const rows = await db
      .selectFrom('packs')
      .select((of) => [
        'state',
        of.fn.countAll<number>().as('packs'),
        of.fn.sum<number>('bytes').as('bytes'),
        of.fn.count<number>('damage').as('damaged'),
        of.fn.min<number | null>('checked_at').as('oldest'),
      ])
      .where('state', '<>', 'deleting')
      .groupBy('state')
      .execute()
    const { snapshots, pruned } = await db
      .selectFrom('snapshots')
      .select((of) => [
        of.fn.countAll<number>().as('snapshots'),
        of.fn.count<number>('pruned_at').as('pruned'),
      ])
      .executeTakeFirstOrThrow()
    const of = (state: string) => {
      const row = rows.find((one) => one.state === state)
      return { packs: row?.packs ?? 0, bytes: row?.bytes ?? 0 }
    }
    const checks = rows.flatMap(({ oldest }) => (oldest === null ? [] : [oldest]))
    return {
      live: of('live'),
      tombstoned: of('tombstoned'),
      damaged: rows.reduce((sum, row) => sum + row.damaged, 0),
      oldestCheckAt: checks.length === 0 ? null : Math.min(...checks),
      snapshots: snapshots - pruned,
      pruned,
    }
  },
})
