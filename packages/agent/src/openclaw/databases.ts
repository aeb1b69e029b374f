/** Opening SQLite databases for reading without leaving anything behind. */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { parsed } from './salvage.ts'

/**
 * A database that others may have open. Without a log or journal beside it nobody is writing, and it is read as it
 * lies, so that SQLite makes no files for it.
 * @returns undefined when there is none.
 * @throws Error with code ERR_SQLITE_ERROR, now or at the first query.
 */
export function openLive(absolute: string): DatabaseSync | undefined {
  if (!isFile(absolute)) return undefined
  const quiet = !isFile(`${absolute}-wal`) && !isFile(`${absolute}-journal`)
  return quiet
    ? openImmutable(absolute)
    : new DatabaseSync(absolute, { readOnly: true, timeout: 5000 })
}

/** A database that nobody has open. */
export function openImmutable(absolute: string): DatabaseSync {
  const url = pathToFileURL(absolute)
  url.searchParams.set('immutable', '1')
  return new DatabaseSync(url, { readOnly: true })
}

export const isDatabaseError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR'

/** Runs `use` on the database and closes it; undefined when there is none. */
export function withLive<T>(absolute: string, use: (database: DatabaseSync) => T): T | undefined {
  const database = openLive(absolute)
  if (database === undefined) return undefined
  try {
    return use(database)
  } finally {
    database.close()
  }
}

/** @throws Error with code ERR_SQLITE_ERROR when it is damaged or cannot be opened. */
export const schemaVersionOf = (database: DatabaseSync): number =>
  Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)

export const hasTable = (database: DatabaseSync, table: string): boolean =>
  database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !==
  undefined

export type Row = Readonly<Record<string, unknown>>

/** The rows of a query over one table; none when this version of OpenClaw does not have the table or a column. */
export function rowsOf(database: DatabaseSync, table: string, query: string): readonly Row[] {
  if (!hasTable(database, table)) return []
  return database.prepare(query).all() as Row[]
}

export const countOf = (database: DatabaseSync, table: string, where = '1'): number =>
  Number(
    rowsOf(database, table, `SELECT count(*) AS n FROM "${table}" WHERE ${where}`)[0]?.['n'] ?? 0,
  )

/** A value OpenClaw keeps about its installation; undefined when it keeps none. */
export function machineState(database: DatabaseSync | undefined, key: string): unknown {
  if (database === undefined || !hasTable(database, 'config_machine_state')) return undefined
  const row = database
    .prepare('SELECT value_json FROM config_machine_state WHERE state_key = ?')
    .get(key)
  return row === undefined ? undefined : parsed(String(row['value_json']))
}

function isFile(absolute: string): boolean {
  return statSync(absolute, { throwIfNoEntry: false })?.isFile() ?? false
}
