/** Opens the catalog: one SQLite file, brought up to date by numbered steps before anything asks it. */
import { chmodSync } from 'node:fs'
import { OcmError } from '@ocm/protocol'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { auditIn } from './audit.ts'
import { checksIn } from './checks.ts'
import { collectingIn } from './collecting.ts'
import { nodeSqliteDialect, openDatabase } from './dialect.ts'
import { jobsIn } from './jobs.ts'
import { keepingIn } from './keeping.ts'
import { nodesIn } from './nodes.ts'
import { peopleIn } from './people.ts'
import { schedulesIn } from './schedules.ts'
import type { Database, Schema } from './schema.ts'
import { snapshotsIn } from './snapshots.ts'
import { up as first } from './steps/0001-first.ts'
import { up as keeping } from './steps/0002-keeping.ts'
import { up as epochs } from './steps/0003-epochs.ts'
import { up as undo } from './steps/0004-undo.ts'
import { up as schedules } from './steps/0005-schedules.ts'
import { vaultIn } from './vault.ts'

const STEPS = {
  '0001-first': { up: first },
  '0002-keeping': { up: keeping },
  '0003-epochs': { up: epochs },
  '0004-undo': { up: undo },
  '0005-schedules': { up: schedules },
}

/** @throws OcmError 'catalog-failed' with the cause */
export async function openCatalog(file: string): Promise<Catalog> {
  let db: Database
  try {
    db = new Kysely<Schema>({ dialect: nodeSqliteDialect(openDatabase(file)) })
    if (file !== ':memory:') chmodSync(file, 0o600)
    await migrate(db)
  } catch (cause) {
    throw new OcmError('catalog-failed', {}, { cause })
  }
  return catalogOver(db)
}

/** Takes the steps that were not taken yet. */
export async function migrate(db: Database): Promise<void> {
  const provider = { getMigrations: async () => STEPS }
  const { error } = await new Migrator({ db, provider }).migrateToLatest()
  if (error !== undefined) throw error
}

/** @param db with every step taken */
export const catalogOver = (db: Database) => ({
  people: peopleIn(db),
  audit: auditIn(db),
  vault: vaultIn(db),
  nodes: nodesIn(db),
  snapshots: snapshotsIn(db),
  jobs: jobsIn(db),
  schedules: schedulesIn(db),
  keeping: { ...keepingIn(db), ...collectingIn(db), ...checksIn(db) },
  /** @throws when the catalog cannot be written */
  async probe() {
    await db.updateTable('vault').set({ id: 1 }).execute()
  },
  close: () => db.destroy(),
})
export type Catalog = ReturnType<typeof catalogOver>
