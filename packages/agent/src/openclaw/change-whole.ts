/** Changing a database that nobody has open. */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'

/**
 * All in one transaction; afterwards the database is whole and no side file lies beside it.
 * @throws OcmError 'openclaw-unhealthy' when it would not be whole.
 */
export function changeWhole(file: string, change: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false })
  try {
    const mode = String(database.prepare('PRAGMA journal_mode').get()?.['journal_mode'])
    // What is taken out is overwritten: a key that a clone must not have does not stay in a free page.
    database.exec('PRAGMA secure_delete = ON; PRAGMA journal_mode = DELETE')
    const broken = brokenReferences(database)
    database.exec('BEGIN IMMEDIATE')
    try {
      change(database)
      database.exec('COMMIT')
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
    checkWhole(database, broken)
    if (mode === 'wal') database.exec('PRAGMA journal_mode = WAL')
  } finally {
    database.close()
  }
  const left = ['-wal', '-shm', '-journal'].filter((side) => existsSync(file + side))
  if (left.length > 0) throw new OcmError('internal', { left: left.join(' ') })
}

const brokenReferences = (database: DatabaseSync): number =>
  database.prepare('PRAGMA foreign_key_check').all().length

/** References that were broken on the source already are OpenClaw's own affair. */
function checkWhole(database: DatabaseSync, broken: number): void {
  const integrity = database.prepare('PRAGMA integrity_check').all()
  const whole = integrity.length === 1 && integrity[0]?.['integrity_check'] === 'ok'
  if (!whole || brokenReferences(database) > broken) throw new OcmError('openclaw-unhealthy')
}
