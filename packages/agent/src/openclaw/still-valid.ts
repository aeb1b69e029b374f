/** What OpenClaw has found valid in a database stays found valid where nothing but paths has changed. */
import type { DatabaseSync } from 'node:sqlite'
import { hasTable } from './databases.ts'

/**
 * A trigger of OpenClaw's takes the mark of a conversation away when its row is written, whoever writes it. Without it
 * the command line refuses to list conversations, and the gateway has to repair them at its next start.
 * @param rewrite changes values within rows and keeps their shape
 */
export function keepingValid<T>(database: DatabaseSync, rewrite: () => T): T {
  if (!hasMarks(database)) return rewrite()
  const valid = database
    .prepare('SELECT session_key FROM session_nodes WHERE entry_valid = 1')
    .all()
  const done = rewrite()
  const mark = database.prepare(
    'UPDATE session_nodes SET entry_valid = 1 WHERE session_key = ? AND entry_valid = 0',
  )
  for (const { session_key: key } of valid) mark.run(String(key))
  return done
}

const hasMarks = (database: DatabaseSync): boolean =>
  hasTable(database, 'session_nodes') &&
  database
    .prepare("SELECT 1 FROM pragma_table_info('session_nodes') WHERE name = 'entry_valid'")
    .get() !== undefined
