import type { SshNodes } from '../links/ssh/ports.ts'
import type { Database } from './schema.ts'

export const sshNodesIn = (db: Database): SshNodes => ({
  async all() {
    const rows = await db.selectFrom('ssh_nodes').select('node').execute()
    return new Set(rows.map(({ node }) => node))
  },

  async one(node) {
    const row = await db
      .selectFrom('ssh_nodes')
      .selectAll()
      .where('node', '=', node)
      .executeTakeFirst()
    if (!row) return undefined
    const { connection, credential, delegation, delegated_at, delegated_by } = row
    return {
      node,
      connection,
      credential,
      delegation: delegation && {
        sealed: delegation,
        since: delegated_at ?? 0,
        by: delegated_by ?? '',
      },
    }
  },

  async put({ node, connection, credential, delegation }) {
    const values = {
      connection,
      credential,
      delegation: delegation?.sealed ?? null,
      delegated_at: delegation?.since ?? null,
      delegated_by: delegation?.by ?? null,
    }
    await db
      .insertInto('ssh_nodes')
      .values({ node, ...values })
      .onConflict((conflict) => conflict.column('node').doUpdateSet(values))
      .execute()
  },

  async mark(node) {
    await db
      .insertInto('ssh_nodes')
      .values({ node })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  },

  async remove(node) {
    await db.deleteFrom('ssh_nodes').where('node', '=', node).execute()
  },
})
