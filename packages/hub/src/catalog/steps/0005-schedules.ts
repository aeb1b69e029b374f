/** Backups that the hub begins by itself. */
import type { Kysely } from 'kysely'
import { take } from './take.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await take(db, [
    `create table schedules (
        node text primary key references nodes (id),
        schedule text not null,
        since integer not null,
        handed_to text references nodes (id)
      ) strict`,
  ])
}
