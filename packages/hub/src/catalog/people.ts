import type { Account, Operator, PeopleCatalog } from '../people/ports.ts'
import type { Database } from './schema.ts'

export const peopleIn = (db: Database): PeopleCatalog => ({
  async isSetUp() {
    return (await db.selectFrom('vault').select('id').executeTakeFirst()) !== undefined
  },

  setUp: ({ operator, root, record, slots, at }) =>
    db.transaction().execute(async (tx) => {
      const first = await tx
        .insertInto('vault')
        .values({ id: 1, root, set_up_at: at })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      if (first.numInsertedOrUpdatedRows !== 1n) return false
      await tx
        .insertInto('operators')
        .values({
          id: operator.id,
          name: operator.name,
          name_key: operator.nameKey,
          password: operator.password,
          created_at: at,
        })
        .execute()
      await tx
        .insertInto('vault_records')
        .values({ serial: record.serial, bytes: record.bytes, received_at: at })
        .execute()
      await tx
        .insertInto('slots')
        .values(
          slots.map(({ kind, operator: of, bytes }, index) => ({
            id: index + 1,
            kind,
            operator: of,
            bytes,
          })),
        )
        .execute()
      return true
    }),

  accountNamed: (nameKey): Promise<Account | undefined> =>
    db
      .selectFrom('operators')
      .select(['id', 'name', 'password'])
      .where('name_key', '=', nameKey)
      .executeTakeFirst(),

  async setPassword(operator, password) {
    await db.updateTable('operators').set({ password }).where('id', '=', operator).execute()
  },

  async addSession({ hash, operator, at }) {
    await db
      .insertInto('sessions')
      .values({ hash, operator, created_at: at, seen_at: at })
      .execute()
  },

  async sessionBy(hash) {
    const row = await db
      .selectFrom('sessions')
      .innerJoin('operators', 'operators.id', 'sessions.operator')
      .select(['operators.id', 'operators.name', 'sessions.created_at', 'sessions.seen_at'])
      .where('hash', '=', hash)
      .executeTakeFirst()
    return (
      row && {
        operator: { id: row.id, name: row.name },
        createdAt: row.created_at,
        seenAt: row.seen_at,
      }
    )
  },

  async touchSession(hash, at) {
    await db.updateTable('sessions').set({ seen_at: at }).where('hash', '=', hash).execute()
  },

  async endSession(hash) {
    await db.deleteFrom('sessions').where('hash', '=', hash).execute()
  },

  async dropSessions({ createdAt, seenAt }) {
    await db
      .deleteFrom('sessions')
      .where((is) => is.or([is('created_at', '<', createdAt), is('seen_at', '<', seenAt)]))
      .execute()
  },

  async addToken({ id, operator, label, hash, createdAt }) {
    await db
      .insertInto('api_tokens')
      .values({ id, operator, label, hash, created_at: createdAt, used_at: null })
      .execute()
  },

  tokensOf: (operator) =>
    db
      .selectFrom('api_tokens')
      .select(['id', 'label', 'created_at as createdAt'])
      .where('operator', '=', operator)
      .orderBy('created_at', 'desc')
      .execute(),

  async operatorByToken(hash, at): Promise<Operator | undefined> {
    const row = await db
      .selectFrom('api_tokens')
      .innerJoin('operators', 'operators.id', 'api_tokens.operator')
      .select(['operators.id', 'operators.name', 'api_tokens.used_at'])
      .where('hash', '=', hash)
      .executeTakeFirst()
    if (!row) return undefined
    // A token in steady use would otherwise cost a write with each request.
    if (at - (row.used_at ?? 0) > 60_000) {
      await db.updateTable('api_tokens').set({ used_at: at }).where('hash', '=', hash).execute()
    }
    return { id: row.id, name: row.name }
  },

  async removeToken(operator, id) {
    const { numDeletedRows } = await db
      .deleteFrom('api_tokens')
      .where('id', '=', id)
      .where('operator', '=', operator)
      .executeTakeFirst()
    return numDeletedRows === 1n
  },
})
