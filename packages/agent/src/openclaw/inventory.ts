/** What OpenClaw itself lists, read from its databases and files: the same names and ids, in a fixed order. */
import type { Inventory, PlacedPath } from '@ocm/protocol'
import { type Row, countOf, isDatabaseError, machineState, rowsOf } from './databases.ts'
import type { Where } from './discovery.ts'
import { personasOf, systemPersonaOf } from './personas.ts'
import { parsed } from './salvage.ts'
import type { Sight } from './sight.ts'
import { skillsOf } from './skills.ts'
import { at, isTree, textAt, treeAt } from './tree.ts'
import { variablesOf } from './variables.ts'

export function inventoryOf(sight: Sight, where: Where): Inventory {
  const { config } = sight
  const personas = personasOf(where, config.tree, variablesOf(where, config.tree)).map(
    ({ id }) => id,
  )
  return {
    personas: personas.toSorted(),
    cron: careful(sight, 'cron jobs', [], () => cronOf(sight)),
    authProfiles: careful(sight, 'auth profiles', [], () => unique(authProfilesOf(sight))),
    plugins: careful(sight, 'plugins', [], () => unique(pluginsOf(sight))),
    skills: unique(skillsOf(sight, personas)),
    channels: unique(channelsOf(sight)),
    pairings: careful(sight, 'pairings', 0, () => pairingsOf(sight)),
    sessions: careful(sight, 'sessions', {}, () => sessionsOf(sight)),
  }
}

/** A database of another version, or a damaged one, costs what it would have told, not the rest. */
function careful<T>(sight: Sight, what: string, otherwise: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    sight.warnings.push({ code: 'inventory-partial', detail: `${what}: ${error.message}` })
    return otherwise
  }
}

/** OpenClaw shows the jobs that are filed under the path of its own state directory, and no others. */
export const cronStoreOf = ({ layout, state }: Pick<Sight, 'layout' | 'state'>): string => {
  const pinned = machineState(state, 'cron.store')
  return typeof pinned === 'string' ? pinned : `${layout.roots['state']}/cron/jobs.json`
}

function cronOf(sight: Sight): Inventory['cron'] {
  const system = systemPersonaOf(sight.config.tree)
  const store = cronStoreOf(sight)
  const rows =
    sight.state === undefined
      ? []
      : rowsOf(
          sight.state,
          'cron_jobs',
          'SELECT store_key, job_id, job_json, declaration_key, enabled FROM cron_jobs',
        )
  const shown = rows.filter((row) => row['store_key'] === store)
  if (shown.length < rows.length) {
    sight.warnings.push({
      code: 'cron-unreachable',
      detail: `${rows.length - shown.length} cron jobs are filed under another state directory; OpenClaw does not see them.`,
    })
  }
  const jobs = shown.map((row) => ({
    id: String(row['job_id']),
    user: row['declaration_key'] === null,
    enabled: row['enabled'] === 1,
    job: parsed(String(row['job_json'])),
  }))
  return [...jobs, ...legacyCron(sight)]
    .map(({ id, user, enabled, job }) => ({
      id,
      name: textAt(job, 'name') ?? '',
      user,
      enabled,
      persona: textAt(job, 'agentId') ?? system,
      schedule: scheduleOf(at(job, 'schedule')),
    }))
    .toSorted((a, b) => compare(a.id, b.id))
}

/** Up to 2026.7 jobs were a file. */
function legacyCron(sight: Sight) {
  const jobs = at(parsedText(sight, { root: 'state', path: 'cron/jobs.json' }), 'jobs')
  if (!Array.isArray(jobs)) return []
  return jobs.filter(isTree).map((job) => ({
    id: String(job['id'] ?? ''),
    user: job['declarationKey'] === undefined,
    enabled: job['enabled'] !== false,
    job,
  }))
}

function scheduleOf(schedule: unknown): string {
  const kind = textAt(schedule, 'kind') ?? ''
  if (kind === 'cron') {
    return ['cron', textAt(schedule, 'expr'), textAt(schedule, 'tz')].filter(Boolean).join(' ')
  }
  if (kind === 'every') return `every ${String(at(schedule, 'everyMs'))} ms`
  return [kind, textAt(schedule, 'at')].filter(Boolean).join(' ')
}

/** Those of one persona stand with its name before them; the others are everybody's. */
function authProfilesOf(sight: Sight): readonly string[] {
  const shared = Object.keys(treeAt(machineState(sight.state, 'authProfiles.store'), 'profiles'))
  const own = sight.agents.flatMap(({ persona, database }) =>
    authStores(database).flatMap((store) => profileNames(store, persona)),
  )
  const legacy = sight.names({ root: 'state', path: 'agents' }).flatMap((persona) => {
    const path = `agents/${persona}/agent/auth-profiles.json`
    return profileNames(parsedText(sight, { root: 'state', path }), persona)
  })
  return [...shared, ...own, ...legacy]
}

export const authStores = (database: NonNullable<Sight['state']>): readonly unknown[] =>
  rowsOf(database, 'auth_profile_store', 'SELECT store_json FROM auth_profile_store').map((row) =>
    parsed(String(row['store_json'])),
  )

const profileNames = (store: unknown, persona: string): readonly string[] =>
  Object.keys(treeAt(store, 'profiles')).map((name) => `${persona}/${name}`)

/** Plugins that were installed; those that come with OpenClaw are a matter of its version. */
function pluginsOf(sight: Sight): readonly string[] {
  const index = machineState(sight.state, 'plugins.installedIndex')
  const recorded = Object.keys(treeAt(index, 'index.installRecords'))
  const unpacked = sight.names({ root: 'state', path: 'extensions' }).flatMap((name) => {
    const path = `extensions/${name}/openclaw.plugin.json`
    const id = textAt(parsedText(sight, { root: 'state', path }), 'id')
    return id === undefined ? [] : [id]
  })
  return [...recorded, ...unpacked]
}

function channelsOf({ config }: Sight): readonly string[] {
  const notChannels = new Set(['defaults', 'modelByChannel'])
  return Object.entries(treeAt(config.tree, 'channels'))
    .filter(([name, value]) => !notChannels.has(name) && isTree(value))
    .flatMap(([name, value]) => {
      const accounts = Object.keys(treeAt(value, 'accounts'))
      return accounts.length === 0 ? [name] : accounts.map((account) => `${name}/${account}`)
    })
}

const pairingsOf = ({ state }: Sight): number =>
  state === undefined
    ? 0
    : countOf(state, 'device_pairing_paired') + countOf(state, 'channel_pairing_allow_entries')

function sessionsOf(sight: Sight): Inventory['sessions'] {
  const found = new Map<string, Set<string>>()
  const add = (persona: string, id: unknown) => {
    if (typeof id !== 'string') return
    const ids = found.get(persona) ?? new Set()
    found.set(persona, ids.add(id))
  }
  for (const { persona, database } of sight.agents) {
    const rows: readonly Row[] = rowsOf(
      database,
      'session_nodes',
      'SELECT current_session_id AS id FROM session_nodes',
    )
    for (const row of rows) add(persona, row['id'])
  }
  // Up to 2026.7 sessions were a file for each persona.
  for (const persona of sight.names({ root: 'state', path: 'agents' })) {
    const listed = parsedText(sight, {
      root: 'state',
      path: `agents/${persona}/sessions/sessions.json`,
    })
    if (isTree(listed))
      for (const entry of Object.values(listed)) add(persona, at(entry, 'sessionId'))
  }
  return Object.fromEntries(
    [...found]
      .toSorted(([a], [b]) => compare(a, b))
      .map(([persona, ids]) => [persona, [...ids].toSorted()]),
  )
}

function parsedText(sight: Sight, place: PlacedPath): unknown {
  const text = sight.text(place)
  return text === undefined ? undefined : parsed(text)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const unique = (names: readonly string[]): string[] => [...new Set(names)].toSorted()
