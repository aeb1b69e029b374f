/** Backups that the hub begins by itself. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `create table schedules (
        node text primary key references nodes (id),
        schedule text not null,
        since integer not null,
        handed_to text references nodes (id)
      ) strict`,
    )
    .execute(db)
}
