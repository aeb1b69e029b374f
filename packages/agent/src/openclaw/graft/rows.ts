/** Taking rows out of one database of OpenClaw's and putting them into another of the same schema. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { quote } from '../database-rows.ts'
import { type Row, hasTable } from '../databases.ts'

/** All rows of a table; numbers too large for JavaScript keep their value. */
export function rowsIn(
  database: DatabaseSync,
  table: string,
  where = '1',
  ...values: readonly SQLInputValue[]
): readonly Row[] {
  if (!hasTable(database, table)) return []
  const select = database.prepare(`SELECT * FROM ${quote(table)} WHERE ${where}`)
  select.setReadBigInts(true)
  return select.all(...values) as Row[]
}

/** A row with the same key gives way. Columns that are not there any more, or not yet, are passed over. */
export function put(database: DatabaseSync, table: string, row: Row): void {
  const known = new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map(({ name }) => String(name)),
  )
  const columns = Object.keys(row).filter((column) => known.has(column))
  database
    .prepare(
      `INSERT OR REPLACE INTO ${quote(table)} (${columns.map(quote).join(', ')})
       VALUES (${columns.map(() => '?').join(', ')})`,
    )
    .run(...columns.map((column) => row[column] as SQLInputValue))
}
