/** What is compared between nodes beside the configuration and the inventory: neutral, and without what a machine writes by itself. */
import type { PlacedPath, Views } from '@ocm/protocol'
import type { Sight } from './sight.ts'
import { at, isTree } from './tree.ts'
import { viewOf } from './view.ts'

/** Written by OpenClaw itself, or one of a kind to each node. */
const OF_THE_MACHINE = [
  'meta',
  'wizard',
  'gateway.port',
  'gateway.auth.token',
  'gateway.auth.password',
  'hooks.token',
]

/** @param configFiles the files that the configuration consists of */
export function viewsOf(sight: Sight, configFiles: readonly PlacedPath[]): Views {
  const { config, state } = sight
  const jobs = [...(state?.cron ?? []), ...(sight.told('jobs', inState('cron/jobs.json')) ?? [])]
  const env = sight.told('assigned', inState('.env')) ?? []
  return {
    machine: OF_THE_MACHINE.filter((path) => at(config.view, path) !== undefined).map(
      (path) => `/${path.replaceAll('.', '/')}`,
    ),
    files: [...configFiles, inState('cron/jobs.json'), inState('.env')].map(
      ({ root, path }) => `${root}:${path}`,
    ),
    environment: Object.fromEntries(env.map(([name, , shown]) => [name, shown])),
    cron: Object.fromEntries(
      jobs.filter(({ user }) => user).map(({ id, decided }) => [id, decided]),
    ),
  }
}

/** Of a job what OpenClaw notes about it: when it was made and ran, what it is called inside. */
const NOTES = new Set([
  'id',
  'declarationKey',
  'createdAtMs',
  'updatedAtMs',
  'state',
  'scheduledToolPolicy',
  'anchorMs',
])

/** What people decided about a job, secrets hidden. */
export const decidedIn = (job: unknown): unknown => viewOf(withoutNotes(job))

function withoutNotes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNotes)
  if (!isTree(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !NOTES.has(key))
      .map(([key, inner]) => [key, withoutNotes(inner)]),
  )
}

const inState = (path: string) => ({ root: 'state', path })
