import type { Kysely } from 'kysely'
import { take } from './take.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await take(db, [
    'create table vault_epochs (epoch integer primary key, bytes blob not null) strict',
  ])
}
