/** Opens the catalog: one SQLite file, brought up to date by numbered steps before anything asks it. */
import { chmodSync, renameSync, rmSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'
import { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { adoptingIn } from './adopting.ts'
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
import { up as ssh } from './steps/0006-ssh.ts'
import { sshNodesIn } from './ssh.ts'
import { vaultIn } from './vault.ts'

export const STEPS = {
  '0001-first': { up: first },
  '0002-keeping': { up: keeping },
  '0003-epochs': { up: epochs },
  '0004-undo': { up: undo },
  '0005-schedules': { up: schedules },
  '0006-ssh': { up: ssh },
}

export type Steps = Readonly<Record<string, Migration>>

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
      const step = await stepToTake(db, steps)
      if (step !== undefined) copyAside(database, `${file}.before-${step}`)
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

const migrator = (db: Database, steps: Steps) =>
  new Migrator({ db, provider: { getMigrations: async () => steps } })

/** The first that was not taken, in a catalog where others were. */
async function stepToTake(db: Database, steps: Steps): Promise<string | undefined> {
  const all = await migrator(db, steps).getMigrations()
  const taken = all.filter(({ executedAt }) => executedAt !== undefined)
  return taken.length === 0
    ? undefined
    : all.find(({ executedAt }) => executedAt === undefined)?.name
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

/** Takes the steps that were not taken yet. */
export async function migrate(db: Database, steps: Steps = STEPS): Promise<void> {
  const { error } = await migrator(db, steps).migrateToLatest()
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
  adopting: adoptingIn(db),
  sshNodes: sshNodesIn(db),
  keeping: { ...keepingIn(db), ...collectingIn(db), ...checksIn(db) },
  /** @throws when the catalog cannot be written */
  async probe() {
    await db.updateTable('vault').set({ id: 1 }).execute()
  },
  close: () => db.destroy(),
})
export type Catalog = ReturnType<typeof catalogOver>
