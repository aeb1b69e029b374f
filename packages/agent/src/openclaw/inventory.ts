/** What OpenClaw itself lists, read from its databases and files: the same names and ids, in a fixed order. */
import type { Inventory, PlacedPath } from '@ocm/protocol'
import type { Job, Profile } from './listing.ts'
import type { Sight } from './sight.ts'
import { skillsOf } from './skills.ts'

export function inventoryOf(sight: Sight): Inventory {
  const { config, state } = sight
  return {
    personas: config.personas.toSorted(),
    cron: cronOf(sight),
    authProfiles: unique(authProfilesOf(sight)),
    plugins: unique(pluginsOf(sight)),
    skills: unique(skillsOf(sight, config.personas)),
    channels: unique(config.channels),
    pairings:
      (state?.counts['device_pairing_paired'] ?? 0) +
      (state?.counts['channel_pairing_allow_entries'] ?? 0),
    sessions: sessionsOf(sight),
  }
}

function cronOf(sight: Sight): Inventory['cron'] {
  const { layout, state, config } = sight
  // OpenClaw shows the jobs that are filed under the path of its own state directory, and no others.
  const store = state?.cronStore ?? `${layout.roots['state']}/cron/jobs.json`
  const all = state?.cron ?? []
  const shown: readonly Job[] = all.filter((job) => job.store === store)
  if (shown.length < all.length) {
    sight.warnings.push({
      code: 'cron-unreachable',
      detail: `${all.length - shown.length} cron jobs are filed under another state directory; OpenClaw does not see them.`,
    })
  }
  return [...shown, ...(sight.told('jobs', inState('cron/jobs.json')) ?? [])]
    .map(({ id, name, user, enabled, persona, schedule }) => ({
      id,
      name,
      user,
      enabled,
      persona: persona || config.systemPersona,
      schedule,
    }))
    .toSorted((a, b) => compare(a.id, b.id))
}

/** Those of one persona stand with its name before them; the others are everybody's. */
function authProfilesOf(sight: Sight): readonly string[] {
  return [
    ...(sight.state?.authProfiles ?? []).map(({ name }) => name),
    ...sight.agents.flatMap(({ persona, listing }) => namesOf(persona, listing.authProfiles)),
    ...sight.names(inState('agents')).flatMap((persona) => {
      const file = inState(`agents/${persona}/agent/auth-profiles.json`)
      return namesOf(persona, sight.told('profiles', file) ?? [])
    }),
  ]
}

const namesOf = (persona: string, profiles: readonly Profile[]) =>
  profiles.map(({ name }) => `${persona}/${name}`)

/** Plugins that were installed; those that come with OpenClaw are a matter of its version. */
function pluginsOf(sight: Sight): readonly string[] {
  const unpacked = sight
    .names(inState('extensions'))
    .map((name) => sight.told('plugin', inState(`extensions/${name}/openclaw.plugin.json`)) ?? '')
  return [...(sight.state?.plugins ?? []), ...unpacked.filter((id) => id !== '')]
}

function sessionsOf(sight: Sight): Inventory['sessions'] {
  const found = new Map<string, Set<string>>()
  const add = (persona: string, ids: readonly string[]) => {
    if (ids.length === 0) return
    const known = found.get(persona) ?? new Set()
    for (const id of ids) known.add(id)
    found.set(persona, known)
  }
  for (const { persona, listing } of sight.agents) add(persona, listing.sessions)
  for (const persona of sight.names(inState('agents'))) {
    const file = inState(`agents/${persona}/sessions/sessions.json`)
    add(persona, sight.told('sessions', file) ?? [])
  }
  return Object.fromEntries(
    [...found]
      .toSorted(([a], [b]) => compare(a, b))
      .map(([persona, ids]) => [persona, [...ids].toSorted()]),
  )
}

const inState = (path: string): PlacedPath => ({ root: 'state', path })

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const unique = (names: readonly string[]): string[] => [...new Set(names)].toSorted()
