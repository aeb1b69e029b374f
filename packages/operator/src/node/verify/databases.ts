/** SQLite's own check of the databases in a snapshot: each is written to a file of this account's alone and opened. */
import { mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Entry, OcmError, pathFromBytes } from '@ocm/protocol'
import type { OpenedSnapshot } from '../../snapshots/open.ts'
import { passing } from '../leavings.ts'

export interface CheckedDatabase {
  readonly path: string
  /** What SQLite says; 'ok' when it finds nothing. */
  readonly says: string
}

/** @throws OcmError 'pack-damaged' for one that cannot be read */
export async function checkDatabases(
  snapshot: Pick<OpenedSnapshot, 'manifest' | 'read'>,
): Promise<readonly CheckedDatabase[]> {
  const checked: CheckedDatabase[] = []
  for (const entry of snapshot.manifest.entries) {
    if (entry.kind !== 'database') continue
    const path = `${entry.root}:${pathFromBytes(entry.path)}`
    checked.push({ path, says: await check(snapshot, entry) })
  }
  return checked
}

async function check(snapshot: Pick<OpenedSnapshot, 'read'>, entry: Entry): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ocm-verify-'))
  return passing(folder, async () => {
    const file = await open(join(folder, 'database'), 'wx', 0o600)
    try {
      for await (const part of snapshot.read(entry)) await file.writeFile(part)
    } catch (error) {
      if (error instanceof OcmError && error.code === 'pack-damaged') return error.message
      throw error
    } finally {
      await file.close()
    }
    return ask(join(folder, 'database'))
  })
}

function ask(path: string): string {
  try {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      const rows = database.prepare('PRAGMA integrity_check(10)').all()
      return rows.map((row) => String(row['integrity_check'])).join('; ')
    } finally {
      database.close()
    }
  } catch (error) {
    // Whatever SQLite has to say of a file that it does not take for a database is the result.
    return error instanceof Error ? error.message : String(error)
  }
}
