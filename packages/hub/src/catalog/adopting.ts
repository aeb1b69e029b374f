import type { Adopting } from '../nodes/adopt.port.ts'
import { rowOf } from './nodes.ts'
import type { Database } from './schema.ts'
import { insertSnapshot } from './snapshots.ts'

export const adoptingIn = (db: Database): Adopting => ({
  async knownSnapshots() {
    const rows = await db.selectFrom('snapshots').select('id').execute()
    return new Set(rows.map(({ id }) => id))
  },

  async addNode(node) {
    await db
      .insertInto('nodes')
      .values(rowOf(node))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  },

  addSnapshot: (snapshot, size) =>
    db.transaction().execute(async (tx) => {
      const { header, at } = snapshot
      for (const { id, bytes } of header.packs) if ((await size(id)) !== bytes) return false
      for (const { id, bytes, class: of } of header.packs) {
        await tx
          .insertInto('packs')
          .values({ node: header.node, id, class: of, bytes, received_at: at, checked_at: at })
          .onConflict((conflict) =>
            conflict.columns(['node', 'id']).doUpdateSet({ state: 'live', tombstoned_at: null }),
          )
          .execute()
      }
      await insertSnapshot(tx, snapshot)
      return true
    }),
})
