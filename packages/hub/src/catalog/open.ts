/** Opens the catalog: one SQLite file, brought up to date by numbered steps before anything asks it. */
import { chmodSync, renameSync, rmSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'
import { Kysely } from 'kysely'
import { type Catalog, catalogOver } from './catalog.ts'
import { nodeSqliteDialect, openDatabase } from './dialect.ts'
import type { Database, Schema } from './schema.ts'
import { STEPS, type Steps, migrate, standing } from './steps/all.ts'

/**
 * A catalog of an older OCM is copied to `FILE.before-STEP` before it is changed. All steps are one transaction: cut off in
 * the middle they leave the catalog as it was, and the next start takes them again.
 * @throws OcmError 'catalog-failed' with the cause
 */
export async function openCatalog(file: string, steps: Steps = STEPS): Promise<Catalog> {
  let db: Database
  try {
    const database = openDatabase(file)
    db = new Kysely<Schema>({ dialect: nodeSqliteDialect(database) })
    if (file !== ':memory:') {
      chmodSync(file, 0o600)
      const { next } = await standing(db, steps)
      if (next !== undefined) copyAside(database, `${file}.before-${next}`)
    }
    await allOrNothing(database, () => migrate(db, steps))
  } catch (cause) {
    throw new OcmError('catalog-failed', {}, { cause })
  }
  return catalogOver(db)
}

/**
 * Kysely takes each statement of a step for itself where the database is SQLite. This transaction is none of its, so that
 * SQLite waits for the disk.
 */
async function allOrNothing(database: DatabaseSync, work: () => Promise<void>): Promise<void> {
  database.exec('pragma synchronous = full; begin immediate')
  try {
    await work()
    database.exec('commit; pragma synchronous = normal')
  } catch (error) {
    if (database.isTransaction) database.exec('rollback')
    throw error
  }
}

/** One that is there already is of a start that was cut off, and no better than a new one. */
function copyAside(database: DatabaseSync, path: string): void {
  const unfinished = `${path}.unfinished`
  rmSync(unfinished, { force: true })
  try {
    database.prepare('vacuum into ?').run(unfinished)
    chmodSync(unfinished, 0o600)
    renameSync(unfinished, path)
  } finally {
    rmSync(unfinished, { force: true })
  }
}
