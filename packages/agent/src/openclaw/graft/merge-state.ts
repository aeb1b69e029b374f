/** Rows of the chosen parts, put among those of a target that keeps its own. */
import path from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Graft, type Renamed, isWithin } from '@ocm/protocol'
import { type Row, machineState } from '../databases.ts'
import { parsed } from '../salvage.ts'
import { type Tree, isTree, treeAt } from '../tree.ts'
import { renameInValue } from './rename-persona.ts'
import { put, rowsIn } from './rows.ts'

export interface StateMerge {
  /** The target's, in a transaction. */
  readonly into: DatabaseSync
  /** The source's, rewritten for the target, read alone. */
  readonly from: DatabaseSync
  readonly graft: Graft
  /** A restore puts back what was; anything else keeps what the target has. */
  readonly isRestore: boolean
  /** The target's state directory. */
  readonly state: string
  /** Who does what belongs to no persona in particular: on the source. */
  readonly systemPersona: string
  count(what: string, n: number): void
}

export function mergeState(merge: StateMerge): void {
  mergeCron(merge)
  mergePersonas(merge)
  mergeWorkspaces(merge)
  mergeApprovals(merge)
  if (merge.graft.sections.includes('credentials')) mergeCredentials(merge)
}

const named = (id: unknown, names: readonly Renamed[]): string | undefined =>
  names.find(({ from }) => from === id)?.to

function mergeCron(merge: StateMerge): void {
  const { into, from, graft, isRestore, state, systemPersona, count } = merge
  const storeOf = (database: DatabaseSync): string => {
    const pinned = machineState(database, 'cron.store')
    return typeof pinned === 'string' ? pinned : `${state}/cron/jobs.json`
  }
  const [source, target] = [storeOf(from), storeOf(into)]
  const last = into
    .prepare('SELECT coalesce(max(sort_order), -1) AS last FROM cron_jobs WHERE store_key = ?')
    .get(target)
  let place = Number(last?.['last'] ?? -1)
  const rows = rowsIn(from, 'cron_jobs', 'store_key = ? AND declaration_key IS NULL', source)
  for (const row of rows.toSorted((a, b) => Number(a['sort_order']) - Number(b['sort_order']))) {
    const id = named(row['job_id'], graft.cron)
    if (id === undefined) continue
    const job = treeOf(row['job_json'])
    const renamed = renameInValue({ ...job, id }, graft.personas) as Tree
    // On the source it was done by whoever does what is nobody's in particular: that is somebody else here.
    const owner = job['agentId'] ?? named(systemPersona, graft.personas)
    const made =
      owner === undefined ? renamed : { ...renamed, agentId: renamed['agentId'] ?? owner }
    put(into, 'cron_jobs', {
      ...row,
      store_key: target,
      job_id: id,
      job_json: JSON.stringify(made),
      agent_id: made['agentId'] ?? row['agent_id'] ?? null,
      owner_agent_id: named(row['owner_agent_id'], graft.personas) ?? row['owner_agent_id'] ?? null,
      // When it ran last is not true of this node, and a run that it missed elsewhere is not to be made up for here.
      ...(isRestore ? {} : { state_json: '{}', runtime_updated_at_ms: null }),
      sort_order: ++place,
    })
    for (const scratch of rowsIn(
      from,
      'cron_job_scratch',
      'store_key = ? AND job_id = ?',
      source,
      String(row['job_id']),
    )) {
      put(into, 'cron_job_scratch', { ...scratch, store_key: target, job_id: id })
    }
    count('cron jobs', 1)
  }
}

function mergePersonas({ into, from, graft, state, count }: StateMerge): void {
  for (const { from: was, to } of graft.personas) {
    for (const row of rowsIn(from, 'agent_databases', 'agent_id = ?', was)) {
      put(into, 'agent_databases', {
        ...row,
        agent_id: to,
        path: placeOfDatabase(String(row['path']), graft, state),
      })
    }
    for (const row of rowsIn(from, 'agent_provenance', 'agent_id = ?', was)) {
      const creator = named(row['creator_agent_id'], graft.personas) ?? null
      put(into, 'agent_provenance', { ...row, agent_id: to, creator_agent_id: creator })
    }
    count('personas', 1)
  }
}

/** Relative when it lies in the state directory, so that no rule has moved it. */
function placeOfDatabase(written: string, { carried }: Graft, state: string): string {
  if (path.isAbsolute(written)) return written
  const inside = carried.findLast(
    (one) => one.root === 'state' && one.path !== '' && isWithin(`/${one.path}`, `/${written}`),
  )
  return inside === undefined
    ? written
    : path.relative(state, inside.to + written.slice(inside.path.length))
}

/** What OpenClaw knows of the workspaces that came along, under the keys that their new places have. */
function mergeWorkspaces({ into, from, graft }: StateMerge): void {
  const isCarried = (absolute: unknown) =>
    typeof absolute === 'string' && graft.carried.some(({ to }) => isWithin(to, absolute))
  const setups = rowsIn(from, 'workspace_setup_state').filter((row) =>
    isCarried(row['workspace_path']),
  )
  for (const row of setups) {
    const key = String(row['workspace_key'])
    into
      .prepare('DELETE FROM workspace_generated_bootstrap_hashes WHERE workspace_key = ?')
      .run(key)
    put(into, 'workspace_setup_state', row)
    for (const hash of rowsIn(
      from,
      'workspace_generated_bootstrap_hashes',
      'workspace_key = ?',
      key,
    )) {
      put(into, 'workspace_generated_bootstrap_hashes', hash)
    }
  }
  for (const row of rowsIn(from, 'workspace_path_aliases')) {
    if (isCarried(row['workspace_path'])) put(into, 'workspace_path_aliases', row)
  }
}

/**
 * What a persona may run without being asked: part of it only where it comes back to its own node. What was approved here
 * for one of that name that was removed since is nothing that the new one may do.
 */
function mergeApprovals({ into, from, graft, isRestore, count }: StateMerge): void {
  const [theirs] = rowsIn(from, 'exec_approvals_config')
  const [own] = rowsIn(into, 'exec_approvals_config')
  if (own === undefined) return
  const whole = treeOf(own['raw_json'])
  const taken = new Set(graft.personas.map(({ to }) => to.toLowerCase()))
  const agents: Record<string, unknown> = Object.fromEntries(
    Object.entries(treeAt(whole, 'agents')).filter(([id]) => !taken.has(id.trim().toLowerCase())),
  )
  const approved = isRestore && theirs ? treeAt(treeOf(theirs['raw_json']), 'agents') : {}
  for (const { from: was, to } of graft.personas) {
    if (approved[was] !== undefined) agents[to] = approved[was]
  }
  if (JSON.stringify(agents) === JSON.stringify(treeAt(whole, 'agents'))) return
  const lists = Object.values(agents).map((one) => (isTree(one) ? one['allowlist'] : undefined))
  put(into, 'exec_approvals_config', {
    ...own,
    raw_json: `${JSON.stringify({ ...whole, agents }, null, 2)}\n`,
    agent_count: Object.keys(agents).length,
    allowlist_count: lists.reduce<number>((n, one) => n + (Array.isArray(one) ? one.length : 0), 0),
  })
  count('approvals', 1)
}

/** Accounts and secrets that everybody here shares. */
function mergeCredentials({ into, from, isRestore, count }: StateMerge): void {
  const theirs = machineState(from, 'authProfiles.store')
  if (isTree(theirs)) {
    const own = machineState(into, 'authProfiles.store')
    const merged = mergedStore(
      isTree(own) ? own : { version: theirs['version'] },
      theirs,
      isRestore,
    )
    const row = rowsIn(from, 'config_machine_state', "state_key = 'authProfiles.store'")[0]
    if (row) put(into, 'config_machine_state', { ...row, value_json: JSON.stringify(merged) })
    count('auth profiles', Object.keys(treeAt(theirs, 'profiles')).length)
  }
  const have = new Set(rowsIn(into, 'secret_store_entries').map(secretKey))
  for (const row of rowsIn(from, 'secret_store_entries', 'deleted_at_ms IS NULL')) {
    if (!isRestore && have.has(secretKey(row))) continue
    put(into, 'secret_store_entries', row)
    count('stored secrets', 1)
  }
}

const secretKey = (row: Row): string => [row['scope_kind'], row['scope_id'], row['name']].join('\0')

/** By the ids of profiles, in whatever part of the store they stand. */
function mergedStore(own: Tree, theirs: Tree, isRestore: boolean): Tree {
  const [under, over] = isRestore ? [own, theirs] : [theirs, own]
  return {
    ...own,
    profiles: { ...treeAt(under, 'profiles'), ...treeAt(over, 'profiles') },
  }
}

const treeOf = (text: unknown): Tree => {
  const value = parsed(String(text))
  return isTree(value) ? value : {}
}
