/**
 * Turns, tasks and subagents that were at work when the snapshot was captured. OpenClaw takes them up again when it
 * starts, which is right after a move: the source stopped in the middle of them and never goes on. After a restore, and
 * on a clone, somebody has ended them since, or still does: there they are over.
 */
import type { DatabaseSync } from 'node:sqlite'
import { countOf, hasTable } from './databases.ts'
import { hasColumn } from './database-rows.ts'
import type { DatabaseRole } from './rows.ts'
import { parsed } from './salvage.ts'
import { at, isTree } from './tree.ts'

const RUNNING = "status = 'running'"
const OPEN_TASKS = "status IN ('queued', 'running')"
const OPEN_FLOWS = "status IN ('queued', 'running', 'waiting', 'blocked')"

/** How many there are. */
export function openTurns(database: DatabaseSync, role: DatabaseRole): number {
  if (role === 'agent')
    return hasStatus(database, 'session_nodes') ? countOf(database, 'session_nodes', RUNNING) : 0
  if (role !== 'state') return 0
  const tasks = hasStatus(database, 'task_runs') ? countOf(database, 'task_runs', OPEN_TASKS) : 0
  const flows = hasStatus(database, 'flow_runs') ? countOf(database, 'flow_runs', OPEN_FLOWS) : 0
  return tasks + flows + openSubagents(database).length
}

/** Ends them, so that nothing takes them up again. What they have said stays. @returns how many */
export function endTurns(database: DatabaseSync, role: DatabaseRole): number {
  if (role === 'agent') return endConversations(database)
  if (role !== 'state') return 0
  const end = (table: string, which: string) =>
    hasStatus(database, table)
      ? Number(
          database.prepare(`UPDATE ${table} SET status = 'cancelled' WHERE ${which}`).run().changes,
        )
      : 0
  const subagents = openSubagents(database)
  const forget =
    subagents.length > 0 && database.prepare('DELETE FROM subagent_runs WHERE run_id = ?')
  for (const id of subagents) if (forget) forget.run(id)
  return end('task_runs', OPEN_TASKS) + end('flow_runs', OPEN_FLOWS) + subagents.length
}

const hasStatus = (database: DatabaseSync, table: string): boolean =>
  hasTable(database, table) && hasColumn(database, table, 'status')

function endConversations(database: DatabaseSync): number {
  if (!hasStatus(database, 'session_nodes')) return 0
  const rows = database
    .prepare(`SELECT session_key AS key, entry_json AS entry FROM session_nodes WHERE ${RUNNING}`)
    .all()
  const update = database.prepare(
    "UPDATE session_nodes SET status = 'killed', entry_json = ? WHERE session_key = ?",
  )
  for (const row of rows) update.run(ended(String(row['entry'])), String(row['key']))
  return rows.length
}

/** What says of a conversation that it is to go on. */
const GOES_ON = /^(?:restartRecovery|mainRestartRecovery|pendingFinalDelivery)/

function ended(text: string): string {
  const entry = parsed(text)
  if (!isTree(entry)) return text
  const rest = Object.entries(entry).filter(([key]) => !GOES_ON.test(key))
  return JSON.stringify({ ...Object.fromEntries(rest), status: 'killed', abortedLastRun: false })
}

function openSubagents(database: DatabaseSync): readonly string[] {
  if (!hasTable(database, 'subagent_runs') || !hasColumn(database, 'subagent_runs', 'payload_json'))
    return []
  const rows = database.prepare('SELECT run_id AS id, payload_json AS run FROM subagent_runs').all()
  return rows
    .filter((row) => {
      const run = parsed(String(row['run']))
      return at(run, 'execution.endedAt') === undefined && at(run, 'endedAt') === undefined
    })
    .map((row) => String(row['id']))
}
