/** What OpenClaw lists of a node, by its own commands where they need no gateway, else as its database has it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Ids of the cron jobs of people, as `openclaw cron list` answers: those that are filed under the path of the state
 * directory. One that is filed elsewhere is marked, null where there is no state.
 */
export function userJobs(home: string, state = join(home, '.openclaw')): readonly string[] | null {
  const file = join(state, 'state', 'openclaw.sqlite')
  if (!existsSync(file)) return null
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = database
      .prepare('SELECT job_id, store_key FROM cron_jobs WHERE declaration_key IS NULL')
      .all()
    const store = join(state, 'cron', 'jobs.json')
    return rows
      .map((row) => `${String(row['job_id'])}${row['store_key'] === store ? '' : ' lost'}`)
      .toSorted()
  } finally {
    database.close()
  }
}
