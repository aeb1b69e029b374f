/** What belongs to the installation though no field of its configuration says so, or though a field says it in its own way. */
import path from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Config } from './config.ts'
import { isDatabaseError, machineState, rowsOf, withLive } from './databases.ts'
import { type Where, onThisDisk } from './discovery.ts'
import type { Persona } from './personas.ts'
import type { Reference } from './references.ts'
import { textAt, treeAt } from './tree.ts'

/** What OpenClaw's own database knows of places. */
export interface Noted {
  /** Databases of personas; one may be gone. */
  readonly databases: readonly { readonly persona: string; readonly absolute: string }[]
  /** Where installed plugins run from. */
  readonly plugins: readonly { readonly id: string; readonly absolute: string }[]
}

export const stateDatabaseOf = (stateDir: string): string =>
  path.join(stateDir, 'state', 'openclaw.sqlite')

/** Nothing when there is no database or it cannot be read: the survey says so. */
export function notedPlaces(stateDir: string, where: Pick<Where, 'below'> = {}): Noted {
  try {
    return (
      withLive(stateDatabaseOf(stateDir), (database) => notedIn(database, stateDir, where)) ??
      NOTHING
    )
  } catch (error) {
    if (isDatabaseError(error)) return NOTHING
    throw error
  }
}

const NOTHING: Noted = { databases: [], plugins: [] }

function notedIn(database: DatabaseSync, stateDir: string, where: Pick<Where, 'below'>): Noted {
  const databases = rowsOf(
    database,
    'agent_databases',
    'SELECT agent_id, path FROM agent_databases',
  )
  const records = treeAt(machineState(database, 'plugins.installedIndex'), 'index.installRecords')
  return {
    databases: databases.map((row) => ({
      persona: String(row['agent_id']),
      // Relative when it lies in the state directory.
      absolute: onThisDisk(where, path.resolve(stateDir, String(row['path']))),
    })),
    plugins: Object.entries(records).flatMap(([id, record]) => {
      const absolute = textAt(record, 'installPath')
      return absolute === undefined || !path.isAbsolute(absolute)
        ? []
        : [{ id, absolute: onThisDisk(where, absolute) }]
    }),
  }
}

export function impliedReferences(
  where: Where,
  config: Config,
  personas: readonly Persona[],
  noted: Noted,
): readonly Reference[] {
  const oauth = where.env['OPENCLAW_OAUTH_DIR']?.trim()
  const files = config.files.map((absolute): Reference => ({
    field: absolute === where.config ? 'OPENCLAW_CONFIG_PATH' : '$include',
    name: `config-${path.basename(absolute)}`,
    absolute,
    take: 'file',
    section: 'gateway',
    class: 'secret',
    travel: 'always',
  }))
  const account: Reference = {
    field: '~/.config/openclaw',
    name: 'user-config',
    absolute: path.join(where.home, '.config/openclaw'),
    take: 'whole',
    section: 'credentials',
    class: 'secret',
    travel: 'identity',
  }
  const channels: Reference = {
    field: 'OPENCLAW_OAUTH_DIR',
    name: 'credentials',
    absolute: path.resolve(oauth ?? where.state),
    take: 'whole',
    section: 'channels',
    class: 'secret',
    travel: 'identity',
    like: 'credentials',
  }
  // OpenClaw lists the account's own skills only where it runs from the usual place.
  const skills: Reference = {
    field: '~/.agents/skills',
    name: 'user-skills',
    absolute: path.join(where.home, '.agents/skills'),
    take: 'any',
    section: 'skills',
    class: 'state',
    travel: 'always',
  }
  return [
    ...files,
    account,
    ...(oauth ? [channels] : []),
    ...(where.state === path.join(where.home, '.openclaw') ? [skills] : []),
    ...personas.map(({ id, directory }): Reference => ({
      field: `agents.entries.${id}.agentDir`,
      name: `persona-${id}`,
      absolute: directory,
      take: 'whole',
      section: 'personas',
      class: 'state',
      travel: 'always',
      persona: id,
      like: `agents/${id}/agent`,
    })),
    ...noted.databases.map(({ persona, absolute }): Reference => ({
      field: 'agent_databases',
      name: `database-${persona}`,
      absolute,
      take: 'file',
      section: 'history',
      class: 'state',
      travel: 'always',
      persona,
    })),
    ...noted.plugins.map(({ id, absolute }): Reference => ({
      field: `plugins.installedIndex ${id}`,
      name: `plugins-${id}`,
      absolute,
      take: 'any',
      section: 'plugins',
      class: 'state',
      travel: 'always',
    })),
  ]
}
