/** Steps are written once, in the words of SQLite; the other database is told the same in its own. */
import { type Kysely, PostgresAdapter, sql } from 'kysely'

export const isPostgres = <DB>(db: Kysely<DB>): boolean =>
  db.getExecutor().adapter instanceof PostgresAdapter

/** @param statements that make or change tables */
export async function take(db: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  const said = isPostgres(db) ? statements.map(forPostgres) : statements
  for (const statement of said) await sql.raw(statement).execute(db)
}

/**
 * Whole numbers of 64 bits; text that is compared by its bytes, whatever the language of the database. Whoever copies a
 * catalog puts off the checks between tables, so that rows may come in any order.
 */
export const forPostgres = (statement: string): string =>
  statement
    .replace(/\) strict(?:, without rowid)?$/, ')')
    .replaceAll(/\binteger\b/g, 'bigint')
    .replaceAll(/\bblob\b/g, 'bytea')
    .replaceAll(/\btext\b/g, 'text collate "C"')
    .replaceAll(/\breferences \w+ \([\w, ]+\)(?: on delete cascade)?/g, '$& deferrable')
