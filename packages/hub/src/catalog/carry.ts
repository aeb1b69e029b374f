/**
 * Every row of a catalog from PostgreSQL into a SQLite file, and the other way. Both have the same tables by the same
 * steps, so nothing here knows what is in them.
 */
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'
import { Kysely, sql } from 'kysely'
import { syncDirectory } from '../durable.ts'
import { nodeSqliteDialect, openDatabase } from './dialect.ts'
import type { Database, Schema } from './schema.ts'
import { STEPS, type Steps, migrate } from './steps/all.ts'

/** Read at a time; a row may hold a header of some megabytes. */
const ROWS = 100
/** A statement of PostgreSQL takes at most 65,535 values. */
const VALUES = 10_000

interface Table {
  readonly name: string
  readonly columns: readonly string[]
}

type Row = Record<string, unknown>

const quoted = (name: string) => `"${name}"`

/** As they lie in a SQLite catalog; those of Kysely's own are made by the steps. */
function tablesOf(database: DatabaseSync): readonly Table[] {
  const names = database
    .prepare(
      "select name from sqlite_master where type = 'table' and name not like 'kysely%' order by name",
    )
    .all()
  return names.map(({ name }) => ({
    name: String(name),
    columns: database
      .prepare(`select name from pragma_table_info(?)`)
      .all(String(name))
      .map((column) => String(column['name'])),
  }))
}

/** @throws OcmError 'version-unsupported' when a newer OCM has taken steps that are not known here */
function lastOf(taken: readonly string[], steps: Steps): string {
  const last = taken.toSorted().at(-1)
  if (last === undefined) throw new OcmError('store-not-found', { what: 'no catalog of a hub' })
  if (taken.some((name) => !(name in steps))) {
    throw new OcmError('version-unsupported', { what: 'catalog' })
  }
  return last
}

/**
 * As of one moment, whatever is written meanwhile. The file is there when it is whole, in place of one that was.
 * @param db PostgreSQL
 * @throws OcmError 'store-not-found' when there is no catalog, 'version-unsupported', 'catalog-failed'
 */
export async function copyToSqlite(
  db: Database,
  file: string,
  steps: Steps = STEPS,
): Promise<void> {
  const unfinished = `${file}.unfinished`
  removeCatalog(unfinished)
  // Made before SQLite opens it: at no moment can others read it.
  closeSync(openSync(unfinished, 'wx', 0o600))
  try {
    await fillFrom(db, unfinished, steps)
    const whole = await open(unfinished, 'r')
    try {
      await whole.sync()
    } finally {
      await whole.close()
    }
    renameSync(unfinished, file)
    await syncDirectory(dirname(file))
  } finally {
    removeCatalog(unfinished)
  }
}

/** With what SQLite keeps beside it. */
function removeCatalog(file: string): void {
  for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true })
}

async function fillFrom(db: Database, file: string, steps: Steps): Promise<void> {
  const database = openDatabase(file)
  const copy = new Kysely<Schema>({ dialect: nodeSqliteDialect(database) })
  try {
    await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (tx) => {
        await migrate(copy, steps, lastOf(await stepsIn(tx), steps))
        database.exec('pragma foreign_keys = off; begin')
        for (const table of tablesOf(database)) await fill(database, table, rowsOf(tx, table))
        database.exec('commit')
      })
    check(database)
  } finally {
    await copy.destroy()
  }
}

async function stepsIn(db: Database): Promise<string[]> {
  const { rows } = await sql<{ there: string | null }>`
    select to_regclass('kysely_migration')::text as there`.execute(db)
  if (rows[0]?.there == null) return []
  const taken = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  return taken.rows.map(({ name }) => name)
}

async function* rowsOf(tx: Database, { name, columns }: Table): AsyncGenerator<Row> {
  const list = columns.map(quoted).join(', ')
  await sql.raw(`declare reading cursor for select ${list} from ${quoted(name)}`).execute(tx)
  for (;;) {
    const { rows } = await sql.raw<Row>(`fetch ${ROWS} from reading`).execute(tx)
    yield* rows
    if (rows.length < ROWS) break
  }
  await sql.raw('close reading').execute(tx)
}

async function fill(
  database: DatabaseSync,
  { name, columns }: Table,
  rows: AsyncIterable<Row>,
): Promise<void> {
  // What the steps themselves put there.
  database.exec(`delete from ${quoted(name)}`)
  const list = columns.map(quoted).join(', ')
  const marks = columns.map(() => '?').join(', ')
  const insert = database.prepare(`insert into ${quoted(name)} (${list}) values (${marks})`)
  for await (const row of rows) {
    insert.run(...columns.map((column) => row[column] as SQLInputValue))
  }
}

/** A copy that travels alone, and of which each row finds what it refers to. */
function check(database: DatabaseSync): void {
  database.exec('pragma journal_mode = delete')
  const astray = database.prepare('pragma foreign_key_check').all()
  const said = Object.values(database.prepare('pragma quick_check').get() ?? {})[0]
  if (astray.length > 0 || said !== 'ok') throw new OcmError('catalog-failed')
}

/**
 * All of it in one transaction, into a database in which no hub was set up.
 * @param db PostgreSQL
 * @throws OcmError 'target-not-empty', 'copy-unusable', 'version-unsupported', 'catalog-failed'
 */
export async function copyFromSqlite(file: string, db: Database): Promise<void> {
  const database = new DatabaseSync(file, { readOnly: true, defensive: true })
  try {
    const taken = database.prepare('select name from kysely_migration').all()
    const last = lastOf(
      taken.map(({ name }) => String(name)),
      STEPS,
    )
    await checkEmpty(db)
    await migrate(db, STEPS, last)
    const tables = tablesOf(database)
    await db.transaction().execute(async (tx) => {
      await sql`set constraints all deferred`.execute(tx)
      // What the steps themselves put there.
      for (const { name } of tables) await sql.raw(`delete from ${quoted(name)}`).execute(tx)
      for (const table of tables) await send(tx, table, database)
    })
  } finally {
    database.close()
  }
}

/** Tables without anybody in them are what a copy that was cut off has left. */
async function checkEmpty(db: Database): Promise<void> {
  const taken = await stepsIn(db)
  const { rows } = await sql<{ tables: number }>`
    select count(*) as tables from pg_tables where schemaname = current_schema()`.execute(db)
  const isForeign = taken.length === 0 && rows[0]?.tables !== 0
  if (isForeign) throw new OcmError('target-not-empty')
  if (taken.length === 0) return
  const setUp = await db.selectFrom('vault').select('id').executeTakeFirst()
  const known = await db.selectFrom('nodes').select('id').limit(1).executeTakeFirst()
  if (setUp ?? known) throw new OcmError('target-not-empty')
}

async function send(tx: Database, { name, columns }: Table, database: DatabaseSync): Promise<void> {
  const most = Math.min(ROWS, Math.floor(VALUES / columns.length))
  const list = columns.map(quoted).join(', ')
  const rows = database.prepare(`select ${list} from ${quoted(name)}`).iterate()
  let waiting: Row[] = []
  const put = async () => {
    if (waiting.length === 0) return
    await tx
      .insertInto(name as never)
      .values(waiting as never)
      .execute()
    waiting = []
  }
  for (const row of rows) {
    waiting.push(row)
    if (waiting.length === most) await put()
  }
  await put()
}
