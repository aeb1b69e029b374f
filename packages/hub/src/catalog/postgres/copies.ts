/** The catalog of a hub, running or not, as a file; and out of one. */
import { copyFromSqlite, copyToSqlite } from '../carry.ts'
import type { Database } from '../schema.ts'
import { oneConnection } from './connection.ts'
import { over } from './dialect.ts'
import { PATIENT } from './open.ts'

/** @throws OcmError 'store-not-found' when there is no catalog, 'version-unsupported', 'catalog-failed', 'wrong-use' */
export const copyOutOfPostgres = (url: string, file: string): Promise<void> =>
  asked(url, false, (db) => copyToSqlite(db, file))

/** @throws OcmError 'target-not-empty', 'catalog-in-use', 'version-unsupported', 'catalog-failed', 'wrong-use' */
export const copyIntoPostgres = (url: string, file: string): Promise<void> =>
  asked(url, true, (db) => copyFromSqlite(file, db))

async function asked(
  url: string,
  alone: boolean,
  work: (db: Database) => Promise<void>,
): Promise<void> {
  const db = over(oneConnection({ url, patience: PATIENT, alone }))
  try {
    await work(db)
  } finally {
    await db.destroy()
  }
}
