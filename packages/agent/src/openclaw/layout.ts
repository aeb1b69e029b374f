/** Everything about where things are on this node right now, found without running OpenClaw. */
import { hostname, userInfo } from 'node:os'
import { statSync } from 'node:fs'
import path from 'node:path'
import { type Layout, type ManifestMeta, isWithin } from '@ocm/protocol'
import { type Config, readConfig } from './config.ts'
import { isDatabaseError, rowsOf, schemaVersionOf, withLive } from './databases.ts'
import type { Where } from './discovery.ts'
import { type Extra, chooseExtras, rootName } from './extras.ts'
import { type Persona, personasOf } from './personas.ts'
import { type Reference, referencesOf } from './references.ts'
import { sourceOf } from './sources.ts'
import { at } from './tree.ts'
import { variablesOf } from './variables.ts'
import { type Binary } from './versions.ts'

export interface Located {
  readonly where: Where
  readonly config: Config
  readonly personas: readonly Persona[]
  /** The personas' workspaces as roots; of several personas that share one, the first names it. */
  readonly workspaces: readonly {
    readonly root: string
    readonly persona: string
    readonly absolute: string
  }[]
  readonly extras: readonly Extra[]
  readonly layout: Layout
  readonly warnings: ManifestMeta['warnings']
}

export const stateDatabaseOf = (stateDir: string): string =>
  path.join(stateDir, 'state', 'openclaw.sqlite')

export const agentDatabaseOf = (agentDir: string): string =>
  path.join(agentDir, 'openclaw-agent.sqlite')

const DEFAULT_PORT = 18_789

export function locate(where: Where, binary: Binary | undefined, agentVersion: string): Located {
  const config = readConfig(where)
  const variables = variablesOf(where, config.tree)
  const personas = personasOf(where, config.tree, variables)
  const warnings: ManifestMeta['warnings'][number][] = []
  if (isDirectory(where.state)) {
    for (const detail of config.problems) warnings.push({ code: 'config-invalid', detail })
  }
  const workspaces = workspacesOf(where, personas, warnings)
  const covered = (absolute: string): boolean => {
    if (workspaces.some((workspace) => isWithin(workspace.absolute, absolute))) return true
    if (!isWithin(where.state, absolute)) return false
    return sourceOf(absolute.slice(where.state.length + 1)) !== 'regenerable'
  }
  const registered = registeredDatabases(where, warnings)
  const references = [
    ...pinned(where, config, personas, registered),
    ...referencesOf(where, config.tree, variables),
  ]
  const chosen = chooseExtras(where, references, covered)
  warnings.push(...chosen.warnings)
  const roots = Object.fromEntries([
    ['home', where.home],
    ['state', where.state],
    ...workspaces.map(({ root, absolute }) => [root, absolute]),
    ...chosen.extras.map(({ root, absolute }) => [root, absolute]),
  ]) as Record<string, string>
  const user = userInfo()
  return {
    where,
    config,
    personas,
    workspaces,
    extras: chosen.extras,
    warnings,
    layout: {
      platform: process.platform,
      hostname: hostname(),
      user: user.username,
      uid: Math.max(user.uid, 0),
      roots,
      port: portOf(where, config),
      versions: {
        openclaw: binary?.version ?? '',
        schemas: schemasOf(where, personas, registered),
        node: process.versions.node,
        agent: agentVersion,
      },
    },
  }
}

/** Of several personas with one workspace the first names the root. */
function workspacesOf(
  where: Where,
  personas: readonly Persona[],
  warnings: ManifestMeta['warnings'][number][],
): Located['workspaces'] {
  const found = new Map<string, Located['workspaces'][number]>()
  for (const { id, workspace: absolute } of personas) {
    if (found.has(absolute)) continue
    const tooWide = [where.home, where.state, where.agentState].some((inner) =>
      isWithin(absolute, inner),
    )
    if (tooWide || absolute === '/') {
      warnings.push({
        code: 'workspace-too-wide',
        detail: `The workspace of ${id}, ${absolute}, holds the home or the state directory and was left out.`,
      })
      continue
    }
    found.set(absolute, { root: `workspace:${rootName(id)}`, persona: id, absolute })
  }
  return [...found.values()]
}

/** What belongs to the installation though no field of the configuration names it. */
function pinned(
  where: Where,
  config: Config,
  personas: readonly Persona[],
  registered: readonly Registered[],
): readonly Reference[] {
  const secret = { take: 'any', section: 'credentials', class: 'secret' } as const
  const oauth = where.env['OPENCLAW_OAUTH_DIR']?.trim()
  return [
    ...config.files.map((absolute) => ({
      field: absolute === where.config ? 'OPENCLAW_CONFIG_PATH' : '$include',
      name: `config-${path.basename(absolute)}`,
      absolute,
      take: 'file' as const,
      section: 'gateway' as const,
      class: 'secret' as const,
      travel: 'always' as const,
    })),
    ...(oauth
      ? [
          {
            ...secret,
            field: 'OPENCLAW_OAUTH_DIR',
            name: 'credentials',
            absolute: path.resolve(oauth),
            section: 'channels' as const,
            travel: 'identity' as const,
          },
        ]
      : []),
    {
      ...secret,
      field: '~/.config/openclaw',
      name: 'user-config',
      absolute: path.join(where.home, '.config/openclaw'),
      travel: 'identity',
    },
    {
      field: '~/.agents/skills',
      name: 'user-skills',
      absolute: path.join(where.home, '.agents/skills'),
      take: 'any',
      section: 'skills',
      class: 'state',
      travel: 'always',
    },
    ...personas.map(({ id, directory }) => ({
      field: `agents.entries.${id}.agentDir`,
      name: `persona-${id}`,
      absolute: directory,
      take: 'any' as const,
      section: 'personas' as const,
      class: 'state' as const,
      travel: 'always' as const,
      persona: id,
    })),
    ...registered.map(({ persona, absolute }) => ({
      field: 'agent_databases',
      name: `database-${persona}`,
      absolute,
      take: 'file' as const,
      section: 'history' as const,
      class: 'state' as const,
      travel: 'always' as const,
      persona,
    })),
  ]
}

interface Registered {
  readonly persona: string
  readonly absolute: string
}

/** The databases of personas as OpenClaw has noted them; some may be gone. */
function registeredDatabases(
  where: Where,
  warnings: ManifestMeta['warnings'][number][],
): readonly Registered[] {
  try {
    const rows = withLive(stateDatabaseOf(where.state), (database) =>
      rowsOf(database, 'agent_databases', 'SELECT agent_id, path FROM agent_databases'),
    )
    return (rows ?? []).map((row) => ({
      persona: String(row['agent_id']),
      absolute: path.resolve(where.state, String(row['path'])),
    }))
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    warnings.push({
      code: 'database-unreadable',
      detail: `state/openclaw.sqlite: ${error.message}`,
    })
    return []
  }
}

/** The newest schema of each kind of database that has data here. */
function schemasOf(
  where: Where,
  personas: readonly Persona[],
  registered: readonly Registered[],
): Record<string, number> {
  const own = personas.map(({ directory }) => agentDatabaseOf(directory))
  const agents = new Set([...own, ...registered.map(({ absolute }) => absolute)])
  const schemas: Record<string, number> = {}
  const note = (kind: string, absolute: string) => {
    const version = versionAt(absolute)
    if (version !== undefined) schemas[kind] = Math.max(schemas[kind] ?? 0, version)
  }
  note('state', stateDatabaseOf(where.state))
  for (const absolute of agents) note('agent', absolute)
  return schemas
}

function versionAt(absolute: string): number | undefined {
  try {
    return withLive(absolute, schemaVersionOf)
  } catch (error) {
    // What cannot be read has no version; the survey says so of each damaged database.
    if (isDatabaseError(error)) return undefined
    throw error
  }
}

/** As OpenClaw resolves it: pinned, configured, or derived from the name of the profile. */
function portOf(where: Where, { tree }: Config): number {
  const pin = /^(?:[^:]+:|\[[^\]]+\]:)?(\d+)$/.exec(
    where.env['OPENCLAW_GATEWAY_PORT']?.trim() ?? '',
  )
  const port = Number(pin?.[1] ?? at(tree, 'gateway.port') ?? 0)
  if (Number.isInteger(port) && port > 0 && port <= 65_535) return port
  if (where.profile === '') return DEFAULT_PORT
  let hash = 2_166_136_261
  for (const byte of Buffer.from(where.profile)) hash = Math.imul(hash ^ byte, 16_777_619) >>> 0
  return 20_000 + (hash % 40_000)
}

export const isDirectory = (absolute: string): boolean =>
  statSync(absolute, { throwIfNoEntry: false })?.isDirectory() ?? false
