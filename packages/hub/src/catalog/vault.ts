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

  epochs: () => db.selectFrom('vault_epochs').select(['epoch', 'bytes']).orderBy('epoch').execute(),

  change: ({ slots, record, operators, ended, at }) =>
    db.transaction().execute(async (tx) => {
      if (record) {
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('vault_records')
          .values({ ...record, received_at: at })
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst()
        if (numInsertedOrUpdatedRows !== 1n) return false
      }
      if (ended) await tx.insertInto('vault_epochs').values(ended).execute()
      // Sessions and tokens go with an account.
      if (operators) {
        await tx
          .deleteFrom('operators')
          .$if(operators.length > 0, (query) => query.where('id', 'not in', operators))
          .execute()
      }
      await tx.deleteFrom('slots').execute()
      await tx
        .insertInto('slots')
        .values(
          slots.map(({ kind, operator, bytes }, index) => ({
            id: index + 1,
            kind,
            operator,
            bytes,
          })),
        )
        .execute()
      return true
    }),
})
