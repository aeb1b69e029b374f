import { sql, type Transaction } from 'kysely'
import type { KeepingCatalog } from '../keeping/ports.ts'
import { AT_ONCE } from './claim.ts'
import { isInUse } from './keeping.ts'
import type { Database, Schema } from './schema.ts'

type Collecting = Pick<
  KeepingCatalog,
  'tombstone' | 'collectSnapshots' | 'beginDelete' | 'beingDeleted' | 'deleted'
>

/** A run may be putting packs that its snapshot will name. Only a courtesy: its commit is checked all the same. */
const NOT_AT_WORK = sql<boolean>`not exists (select 1 from jobs where jobs.state = 'running'
  and (jobs.node = packs.node or jobs.source = packs.node))`

export const collectingIn = (db: Database): Collecting => ({
  async tombstone(at) {
    const { numAffectedRows = 0n } = await sql`
      update packs set state = 'tombstoned', tombstoned_at = ${at}
      where state = 'live' and ${NOT_AT_WORK}
        and not exists (select 1 from snapshot_packs u join snapshots s on s.id = u.snapshot
          where u.node = packs.node and u.pack = packs.id and s.pruned_at is null)`.execute(db)
    return Number(numAffectedRows)
  },

  collectSnapshots: (prunedBy, most) =>
    db.transaction().execute(async (tx) => {
      const rows = await tx
        .selectFrom('snapshots')
        .select('id')
        .where('pruned_at', '<=', prunedBy)
        .where((is) => is.not(isInUse(is)))
        .orderBy('pruned_at')
        .limit(most)
        .execute()
      const ids = rows.map(({ id }) => id)
      if (ids.length === 0) return ids
      await tx
        .insertInto('loose_headers')
        .values(ids.map((snapshot) => ({ snapshot })))
        .execute()
      await tx.deleteFrom('snapshots').where('id', 'in', ids).execute()
      return ids
    }),

  beginDelete: (tombstonedBy, most) =>
    db.transaction().execute(async (tx) => {
      const due = await tx
        .selectFrom('packs')
        .select(['node', 'id'])
        .where('state', '=', 'tombstoned')
        .where('tombstoned_at', '<=', tombstonedBy)
        .where(NOT_AT_WORK)
        .where((is) =>
          is.not(
            is.exists(
              is
                .selectFrom('snapshot_packs as used')
                .select('used.pack')
                .whereRef('used.node', '=', 'packs.node')
                .whereRef('used.pack', '=', 'packs.id'),
            ),
          ),
        )
        .limit(most)
        .execute()
      const files: string[] = []
      for (const { node, id } of due) {
        // Two nodes that stored the same bytes share the file: the last one takes it along.
        const shared = await tx
          .selectFrom('packs')
          .select('node')
          .where('id', '=', id)
          .where('node', '<>', node)
          .where('state', '<>', 'deleting')
          .executeTakeFirst()
        const row = { node, id }
        if (shared) {
          await whereIs(tx.deleteFrom('packs'), row).execute()
        } else {
          await whereIs(tx.updateTable('packs').set({ state: 'deleting' }), row).execute()
          files.push(id)
        }
      }
      return files
    }),

  async beingDeleted() {
    const rows = await db.selectFrom('packs').select('id').where('state', '=', 'deleting').execute()
    return [...new Set(rows.map(({ id }) => id))]
  },

  deleted: (packs) =>
    db.transaction().execute(async (tx: Transaction<Schema>) => {
      for (let from = 0; from < packs.length; from += AT_ONCE) {
        await tx
          .deleteFrom('packs')
          .where('id', 'in', packs.slice(from, from + AT_ONCE))
          .where('state', '=', 'deleting')
          .execute()
      }
    }),
})

const whereIs = <Q extends { where(column: 'node' | 'id', is: '=', value: string): Q }>(
  query: Q,
  { node, id }: { readonly node: string; readonly id: string },
): Q => query.where('node', '=', node).where('id', '=', id)
