import type { StoredSlot, VaultCatalog } from '../nodes/ports.ts'
import type { Database } from './schema.ts'

export const vaultIn = (db: Database): VaultCatalog => ({
  async root() {
    return (await db.selectFrom('vault').select('root').executeTakeFirst())?.root
  },

  newestRecord: () =>
    db
      .selectFrom('vault_records')
      .select(['serial', 'bytes'])
      .orderBy('serial', 'desc')
      .limit(1)
      .executeTakeFirst(),

  async addRecord({ serial, bytes, at }) {
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('vault_records')
      .values({ serial, bytes, received_at: at })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  },

  async slots() {
    const rows = await db
      .selectFrom('slots')
      .select(['kind', 'operator', 'bytes'])
      .orderBy('id')
      .execute()
    return rows as StoredSlot[]
  },
})
