/** What a database of OpenClaw's lists, as names, ids and counts: JSON, and no secret in it. */
import path from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Row, countOf, isDatabaseError, machineState, rowsOf } from './databases.ts'
import { type Need, needsOfJob } from './graft/job-needs.ts'
import { COUNTED } from './row-kinds.ts'
import { parsed } from './salvage.ts'
import { at, textAt, treeAt } from './tree.ts'
import { openTurns } from './turns.ts'
import { decidedIn } from './views.ts'

export interface Profile {
  readonly name: string
  readonly type: string
}

export interface Job {
  readonly id: string
  readonly name: string
  /** False for those that OpenClaw makes itself. */
  readonly user: boolean
  readonly enabled: boolean
  /** '' for whoever does what belongs to no persona in particular. */
  readonly persona: string
  readonly schedule: string
  /** What people decided about it, for comparing. */
  readonly decided: unknown
}

/** Of OpenClaw's own database. */
export interface StateListing {
  /** The path that jobs are filed under, if it is pinned. */
  readonly cronStore: string | null
  readonly cron: readonly (Job & { readonly store: string; readonly needs: readonly Need[] })[]
  readonly authProfiles: readonly Profile[]
  /** Ids of plugins that were installed. */
  readonly plugins: readonly string[]
  /** Where they run from, of those that say so. */
  readonly pluginPlaces: readonly { readonly id: string; readonly path: string }[]
  readonly vapidKeys: boolean
  /** Turns, tasks and subagents at work. */
  readonly openTurns: number
  /** Names of stored secrets. */
  readonly secrets: readonly string[]
  /** Rows by table. */
  readonly counts: Readonly<Record<string, number>>
  /** Why something is missing here, for people. */
  readonly flaws: readonly string[]
}

/** Of a persona's database. */
export interface AgentListing {
  readonly sessions: readonly string[]
  readonly authProfiles: readonly Profile[]
  readonly openTurns: number
  readonly flaws: readonly string[]
}

/** A database of another version, or a damaged one, costs what it would have told, not the rest. */
class Reading {
  readonly #without = new Map<string, Set<string>>()

  part<T>(what: string, otherwise: T, read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!isDatabaseError(error)) throw error
      const parts = this.#without.get(error.message) ?? new Set()
      this.#without.set(error.message, parts.add(what))
      return otherwise
    }
  }

  flaws(): readonly string[] {
    return [...this.#without].map(([why, parts]) => `${[...parts].join(', ')}: ${why}`)
  }
}

export function listState(database: DatabaseSync): StateListing {
  const reading = new Reading()
  const counts: Record<string, number> = {}
  for (const [table, where] of COUNTED) {
    const count = reading.part(table, 0, () => countOf(database, table, where))
    if (count > 0) counts[table] = count
  }
  return {
    cronStore: reading.part('cron jobs', null, () => {
      const pinned = machineState(database, 'cron.store')
      return typeof pinned === 'string' ? pinned : null
    }),
    cron: reading.part('cron jobs', [], () => cronIn(database)),
    authProfiles: reading.part('auth profiles', [], () =>
      profilesIn(machineState(database, 'authProfiles.store')),
    ),
    plugins: reading.part('plugins', [], () => {
      const index = machineState(database, 'plugins.installedIndex')
      return Object.keys(treeAt(index, 'index.installRecords'))
    }),
    pluginPlaces: reading.part('plugins', [], () => pluginPlacesIn(database)),
    vapidKeys: reading.part(
      'web push keys',
      false,
      () => machineState(database, 'webPush.vapidKeys') !== undefined,
    ),
    secrets: reading.part('stored secrets', [], () =>
      rowsOf(
        database,
        'secret_store_entries',
        'SELECT name FROM secret_store_entries WHERE deleted_at_ms IS NULL ORDER BY name',
      ).map(({ name }) => String(name)),
    ),
    openTurns: reading.part('tasks', 0, () => openTurns(database, 'state')),
    counts,
    flaws: reading.flaws(),
  }
}

function pluginPlacesIn(database: DatabaseSync): StateListing['pluginPlaces'] {
  const index = machineState(database, 'plugins.installedIndex')
  return Object.entries(treeAt(index, 'index.installRecords')).flatMap(([id, record]) => {
    const place = textAt(record, 'installPath')
    return place === undefined || !path.isAbsolute(place) ? [] : [{ id, path: place }]
  })
}

export function listAgent(database: DatabaseSync): AgentListing {
  const reading = new Reading()
  return {
    sessions: reading.part('sessions', [], () =>
      rowsOf(
        database,
        'session_nodes',
        'SELECT current_session_id AS id FROM session_nodes',
      ).flatMap(({ id }) => (typeof id === 'string' ? [id] : [])),
    ),
    authProfiles: reading.part('auth profiles', [], () =>
      rowsOf(database, 'auth_profile_store', 'SELECT store_json FROM auth_profile_store').flatMap(
        (row) => profilesIn(parsed(String(row['store_json']))),
      ),
    ),
    openTurns: reading.part('turns', 0, () => openTurns(database, 'agent')),
    flaws: reading.flaws(),
  }
}

export const profilesIn = (store: unknown): readonly Profile[] =>
  Object.entries(treeAt(store, 'profiles')).map(([name, profile]) => ({
    name,
    type: String(at(profile, 'type') ?? ''),
  }))

function cronIn(database: DatabaseSync): StateListing['cron'] {
  const rows: readonly Row[] = rowsOf(
    database,
    'cron_jobs',
    'SELECT store_key, job_id, job_json, declaration_key, enabled FROM cron_jobs',
  )
  return rows.map((row) => {
    const job = parsed(String(row['job_json']))
    return {
      store: String(row['store_key']),
      id: String(row['job_id']),
      user: row['declaration_key'] === null,
      enabled: row['enabled'] === 1,
      ...jobIn(job),
      needs: needsOfJob(job),
    }
  })
}

/** What a job's own JSON says of it. */
export function jobIn(job: unknown): Pick<Job, 'name' | 'persona' | 'schedule' | 'decided'> {
  return {
    name: textAt(job, 'name') ?? '',
    persona: textAt(job, 'agentId') ?? '',
    schedule: scheduleOf(at(job, 'schedule')),
    decided: decidedIn(job),
  }
}

function scheduleOf(schedule: unknown): string {
  const kind = textAt(schedule, 'kind') ?? ''
  if (kind === 'cron') {
    return ['cron', textAt(schedule, 'expr'), textAt(schedule, 'tz')].filter(Boolean).join(' ')
  }
  if (kind === 'every') return `every ${String(at(schedule, 'everyMs'))} ms`
  return [kind, textAt(schedule, 'at')].filter(Boolean).join(' ')
}
