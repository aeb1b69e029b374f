/** Nodes that are reached over ssh: statements that only operators can open. */
import type { Kysely } from 'kysely'
import { take } from './take.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await take(db, [
    `create table ssh_nodes (
        node text primary key references nodes (id),
        connection blob,
        credential blob,
        delegation blob,
        delegated_at integer,
        delegated_by text
      ) strict`,
  ])
}
