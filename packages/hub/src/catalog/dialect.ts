/** Kysely over node:sqlite. One connection; Kysely lets one query or transaction use it at a time. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'
import { SqliteDialect } from 'kysely'
import { DurableDriver } from './durable-driver.ts'

/** Preparing costs more than running, so statements are kept, the least recently used ones given up. */
const KEPT_STATEMENTS = 200

/**
 * Each commit is on the disk when it is answered (synchronous=FULL, until DurableDriver takes that over).
 * What is deleted is overwritten: a credential that was taken back is not left in free pages.
 * @param file a path or ':memory:'
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5000, defensive: true })
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; ' +
      'PRAGMA secure_delete = ON',
  )
  return database
}

/** SQLite's own numbers for a disk that is full, broken or read-only, and for a file that is damaged or locked. */
const DISK_ERRORS = new Set([5, 6, 8, 10, 11, 13, 14, 26])

/** @throws OcmError 'catalog-failed' when it is the disk and not the question */
function answered<T>(ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    const { errcode } = error as { readonly errcode?: number }
    // The lowest byte is the kind, the others say more of it.
    if (errcode === undefined || !DISK_ERRORS.has(errcode & 0xff)) throw error
    throw new OcmError('catalog-failed', {}, { cause: error })
  }
}

const NOTHING_DONE = { changes: 0, lastInsertRowid: 0 }

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
  const config = {
    database: {
      close: () => database.close(),
      prepare(sql: string) {
        const statement = prepared(sql)
        return {
          reader: statement.columns().length > 0,
          all: (parameters: readonly unknown[]) =>
            answered(() => statement.all(...values(parameters))),
          run(parameters: readonly unknown[]) {
            // A disk that is full has rolled back already; asking again would hide the first error behind a second.
            if (sql === 'rollback' && !database.isTransaction) return NOTHING_DONE
            return answered(() => statement.run(...values(parameters)))
          },
          iterate: (parameters: readonly unknown[]) => statement.iterate(...values(parameters)),
        }
      },
    },
  }
  return new (class extends SqliteDialect {
    override createDriver = () => new DurableDriver(config, database)
  })(config)
}
