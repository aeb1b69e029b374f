/** Every change of the tables there ever was, in order. */
import { type Migration, Migrator } from 'kysely/migration'
import { sql } from 'kysely'
import type { Database } from '../schema.ts'
import { up as first } from './0001-first.ts'
import { up as keeping } from './0002-keeping.ts'
import { up as epochs } from './0003-epochs.ts'
import { up as undo } from './0004-undo.ts'
import { up as schedules } from './0005-schedules.ts'
import { up as ssh } from './0006-ssh.ts'
import { isPostgres } from './take.ts'

export const STEPS = {
  '0001-first': { up: first },
  '0002-keeping': { up: keeping },
  '0003-epochs': { up: epochs },
  '0004-undo': { up: undo },
  '0005-schedules': { up: schedules },
  '0006-ssh': { up: ssh },
}

export type Steps = Readonly<Record<string, Migration>>

/** In PostgreSQL a table of this name in another schema is somebody else's. */
async function migrator(db: Database, steps: Steps): Promise<Migrator> {
  const provider = { getMigrations: async () => steps }
  if (!isPostgres(db)) return new Migrator({ db, provider })
  const { rows } = await sql<{ name: string }>`select current_schema() as name`.execute(db)
  return new Migrator({ db, provider, migrationTableSchema: rows[0]?.name ?? 'public' })
}

/** Takes the steps that were not taken yet. @param last the last of them, when it is not the newest */
export async function migrate(db: Database, steps: Steps = STEPS, last?: string): Promise<void> {
  const all = await migrator(db, steps)
  const { error } = await (last === undefined ? all.migrateToLatest() : all.migrateTo(last))
  if (error !== undefined) throw error
}

/** The last that was taken and the first that was not; both undefined in a catalog that is new. */
export async function standing(
  db: Database,
  steps: Steps,
): Promise<{ readonly last: string | undefined; readonly next: string | undefined }> {
  const all = await (await migrator(db, steps)).getMigrations()
  const last = all.findLast(({ executedAt }) => executedAt !== undefined)?.name
  if (last === undefined) return { last, next: undefined }
  return { last, next: all.find(({ executedAt }) => executedAt === undefined)?.name }
}
