/** Kysely over node:sqlite. One connection; Kysely lets one query or transaction use it at a time. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SqliteDialect } from 'kysely'

/** Preparing costs more than running, so statements are kept, the least recently used ones given up. */
const KEPT_STATEMENTS = 200

/**
 * Each commit is on the disk when it is answered (synchronous=FULL), readers do not wait for it (WAL).
 * @param file a path or ':memory:'
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5000, defensive: true })
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF',
  )
  return database
}

const values = (parameters: readonly unknown[]) => parameters as SQLInputValue[]

export function nodeSqliteDialect(database: DatabaseSync): SqliteDialect {
  const kept = new Map<string, StatementSync>()
  const prepared = (sql: string): StatementSync => {
    const statement = kept.get(sql) ?? database.prepare(sql)
    kept.delete(sql)
    kept.set(sql, statement)
    if (kept.size > KEPT_STATEMENTS) {
      const [oldest] = kept.keys()
      if (oldest !== undefined) kept.delete(oldest)
    }
    return statement
  }
  return new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        const statement = prepared(sql)
        return {
          reader: statement.columns().length > 0,
          all: (parameters) => statement.all(...values(parameters)),
          run: (parameters) => statement.run(...values(parameters)),
          iterate: (parameters) => statement.iterate(...values(parameters)),
        }
      },
    },
  })
}
