/** What a model's catalog lies in: asked by the hub that is modelled, and looked at from outside between any two steps. */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import { Client } from 'pg'
import { nodeSqliteDialect } from '../../catalog/dialect.ts'
import { type OneConnection, oneConnection } from '../../catalog/postgres/connection.ts'
import { over } from '../../catalog/postgres/dialect.ts'
import { typeParsers } from '../../catalog/postgres/values.ts'
import type { Database, Schema } from '../../catalog/schema.ts'
import { migrate } from '../../catalog/steps/all.ts'

export interface Ground {
  /** For a process that begins. What the one before had begun is rolled back. */
  boot(): Database
  /** Until nothing is asked of it any more. */
  rest(): Promise<void>
  /** Whether what is looked at may be half of something. */
  isHalf(): boolean
  /** Rises with each change. */
  changes(): number
  /** What is committed, or half of it. */
  rows<T>(statement: string): Promise<T[]>
  close(): Promise<void>
}

/** Answers within the turn in which it is asked, so that it is always at rest when promises are. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export async function sqliteGround(schema: string): Promise<Ground> {
  const database = new DatabaseSync(':memory:')
  database.exec(`pragma foreign_keys = on; ${schema}`)
  const asked = new Map<string, StatementSync>()
  const all = (statement: string) => {
    const prepared = asked.get(statement) ?? database.prepare(statement)
    asked.set(statement, prepared)
    return prepared.all()
  }
  return {
    boot() {
      if (database.isTransaction) database.exec('rollback')
      return new Kysely<Schema>({ dialect: nodeSqliteDialect(database) })
    },
    rest: settled,
    isHalf: () => database.isTransaction,
    changes: () => Number(all('select total_changes() as n')[0]?.['n']),
    rows: async <T>(statement: string) => all(statement) as T[],
    close: async () => database.close(),
  }
}

let schemas = 0

/** The tables as the steps make them, once: taking the steps takes longer than a whole order. */
export async function sqliteSchema(): Promise<string> {
  const database = new DatabaseSync(':memory:')
  const db = new Kysely<Schema>({ dialect: nodeSqliteDialect(database) })
  await migrate(db)
  const rows = database
    .prepare("select sql from sqlite_master where sql is not null and name not like 'kysely%'")
    .all()
  await db.destroy()
  // And what they put there.
  const keeping =
    'insert into keeping (id, lock_days, lock_last, grace_hours) values (1, 14, 7, 72)'
  return [...rows.map((row) => String(row['sql'])), keeping].join(';\n')
}

/** @param server its address, with options to come behind it */
export async function postgresGround(server: string): Promise<Ground> {
  const schema = `model_${process.pid}_${++schemas}`
  const url = `${server}&options=${encodeURIComponent(`-c search_path=${schema}`)}`
  const outside = new Client({ connectionString: url, types: typeParsers })
  await outside.connect()
  await outside.query(`create schema ${schema}`)
  let pool: OneConnection | undefined
  let asked = 0
  const boot = () => {
    pool?.cut()
    pool = oneConnection({ url })
    return over(pool, { log: () => void asked++ })
  }
  const isAsked = () => pool?.asking !== 0
  await migrate(boot())
  return {
    boot,
    async rest() {
      do await settled()
      while (isAsked())
    },
    // Seen from outside, no transaction is ever half.
    isHalf: () => false,
    changes: () => asked,
    rows: async <T>(statement: string) => (await outside.query(statement)).rows as T[],
    async close() {
      pool?.cut()
      await outside.query(`drop schema ${schema} cascade`)
      await outside.end()
    },
  }
}
