/** Changes a staged database in place: rows that do not travel, identities, cron jobs, paths and the keys made from paths. */
import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { type Choices, type RewriteRule, leavesApiKeys, rewritePath, travels } from '@ocm/protocol'
import { changeWhole } from './change-whole.ts'
import { visitDatabase } from './database-strings.ts'
import { isEmpty } from './database-rows.ts'
import { hasTable, openImmutable } from './databases.ts'
import { forgetIdentity } from './identity.ts'
import { type DatabaseRole, type Table, tablesOf } from './rows.ts'
import { keepingValid } from './still-valid.ts'
import type { Walk } from './strings.ts'
import { endTurns, openTurns } from './turns.ts'

export interface DatabaseRewrite {
  readonly file: string
  readonly role: DatabaseRole
  readonly walk: Walk
  readonly rules: readonly RewriteRule[]
  readonly choices: Choices
  count(what: string, changed: number): void
}

export const rewriteDatabase = (rewrite: DatabaseRewrite): void =>
  changeWhole(rewrite.file, (database) => keepingValid(database, () => change(database, rewrite)))

/** Whether nothing is to be changed where all paths stay, so that the database need not be written, nor read through. */
export function isAsItIsToBe(
  file: string,
  role: DatabaseRole,
  choices: Choices,
  rules: readonly RewriteRule[],
): boolean {
  if (choices.cron === 'disabled') return false
  const database = openImmutable(file)
  try {
    if (openTurns(database, role) > 0) return false
    return Object.entries(tablesOf(role)).every(
      ([name, table]) =>
        goesAlong(table, choices, rules) || !hasTable(database, name) || isEmpty(database, name),
    )
  } finally {
    database.close()
  }
}

const goesAlong = (table: Table, { kind }: Choices, rules: readonly RewriteRule[]): boolean =>
  travels({ kind, rules }, table.travel) && (!table.once || kind === 'move')

function change(database: DatabaseSync, rewrite: DatabaseRewrite): void {
  const { role, walk, rules, choices, count } = rewrite
  for (const [name, table] of Object.entries(tablesOf(role))) {
    if (!goesAlong(table, choices, rules) && hasTable(database, name)) {
      count('rows left behind', Number(database.prepare(`DELETE FROM ${name}`).run().changes))
    }
  }
  if (choices.kind === 'clone') {
    const left = leavesApiKeys(choices) ? 'all' : 'oauth'
    count('identities left behind', forgetIdentity(database, role, left))
  }
  if (choices.kind !== 'move') count('interrupted turns ended', endTurns(database, role))
  if (choices.cron === 'disabled') count('cron jobs disabled', disableCron(database))
  count('workspace keys made anew', rekeyWorkspaces(database, rules))
  const visit = visitDatabase(database, role, walk)
  let step = visit.next()
  while (step.done !== true) step = visit.next()
  const cells = step.value
  for (const [cell, n] of Object.entries(cells)) count(cell, n)
}

/** Those of the user: OpenClaw makes its own again, and they act only on the node itself. */
function disableCron(database: DatabaseSync): number {
  if (!hasTable(database, 'cron_jobs')) return 0
  const update = database.prepare('UPDATE cron_jobs SET enabled = 0, job_json = ? WHERE rowid = ?')
  const rows = database
    .prepare(
      'SELECT rowid AS id, job_json FROM cron_jobs WHERE declaration_key IS NULL AND enabled <> 0',
    )
    .all()
  for (const row of rows) {
    const job = JSON.parse(String(row['job_json'])) as Record<string, unknown>
    update.run(JSON.stringify({ ...job, enabled: false }), Number(row['id']))
  }
  return rows.length
}

const keyOf = (path: string): string => createHash('sha256').update(path).digest('hex')

/**
 * Tables about workspaces are keyed by the hash of a path, which is about to be rewritten. The table without a path
 * follows the rows it belongs to.
 */
function rekeyWorkspaces(database: DatabaseSync, rules: readonly RewriteRule[]): number {
  const setup = keysIn(database, 'workspace_setup_state', 'workspace_key', 'workspace_path', rules)
  rekey(database, 'workspace_generated_bootstrap_hashes', 'workspace_key', setup)
  const alias = keysIn(database, 'workspace_path_aliases', 'alias_key', 'alias_path', rules)
  const named = keysIn(database, 'workspace_path_aliases', 'workspace_key', 'workspace_path', rules)
  return (
    rekey(database, 'workspace_setup_state', 'workspace_key', setup) +
    rekey(database, 'workspace_path_aliases', 'alias_key', alias) +
    rekey(database, 'workspace_path_aliases', 'workspace_key', named)
  )
}

/** Old keys and new ones. A key that is not the hash of its path is of a kind that OCM does not know: it stays. */
function keysIn(
  database: DatabaseSync,
  table: string,
  key: string,
  path: string,
  rules: readonly RewriteRule[],
): ReadonlyMap<string, string> {
  if (!hasTable(database, table)) return new Map()
  const rows = database.prepare(`SELECT ${key} AS key, ${path} AS path FROM ${table}`).all()
  return new Map(
    rows.flatMap((row): [string, string][] => {
      const old = String(row['key'])
      const was = String(row['path'] ?? '')
      const becomes = rewritePath(was, rules)
      return becomes !== was && old === keyOf(was) ? [[old, keyOf(becomes)]] : []
    }),
  )
}

/** In two steps: two workspaces may change places. A row left over from an earlier life at the new place gives way. */
function rekey(
  database: DatabaseSync,
  table: string,
  column: string,
  keys: ReadonlyMap<string, string>,
): number {
  if (keys.size === 0 || !hasTable(database, table)) return 0
  const update = database.prepare(
    `UPDATE OR REPLACE ${table} SET ${column} = ? WHERE ${column} = ?`,
  )
  let rows = 0
  for (const old of keys.keys()) update.run(`rekey ${old}`, old)
  for (const [old, becomes] of keys) rows += Number(update.run(becomes, `rekey ${old}`).changes)
  return rows
}
