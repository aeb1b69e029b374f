import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw('create table vault_epochs (epoch integer primary key, bytes blob not null) strict')
    .execute(db)
}
