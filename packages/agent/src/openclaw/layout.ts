/** Everything about where things are on this node right now, found without running OpenClaw. */
import { hostname, userInfo } from 'node:os'
import { lstatSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { type Layout, type ManifestMeta, isWithin } from '@ocm/protocol'
import { type Config, readConfig } from './config.ts'
import { isDatabaseError, schemaVersionOf, withLive } from './databases.ts'
import type { Where } from './discovery.ts'
import { errno } from './errno.ts'
import { type Extra, chooseExtras, rootName } from './extras.ts'
import { type Noted, impliedReferences, notedPlaces, stateDatabaseOf } from './implied.ts'
import { type Persona, personasOf } from './personas.ts'
import { type Reference, referencesOf } from './references.ts'
import { sourceOf } from './sources.ts'
import { at } from './tree.ts'
import { type Variables, variablesOf } from './variables.ts'
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
  /** Secrets that lie where they are captured anyway, by a name that does not say so. */
  readonly secrets: readonly Reference[]
  readonly layout: Layout
  readonly warnings: ManifestMeta['warnings']
}

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
  const workspaces = workspacesOf(where, personas, warnings).filter(
    // Where nothing is set up yet, where a workspace would be by default says nothing.
    ({ absolute }) => config.files.length > 0 || isDirectory(absolute),
  )
  const covered = (absolute: string): boolean => {
    if (workspaces.some((workspace) => isWithin(workspace.absolute, absolute))) return true
    if (!isWithin(where.state, absolute)) return false
    return sourceOf(absolute.slice(where.state.length + 1)) !== 'regenerable'
  }
  const noted = notedPlaces(where.state, where)
  const references = [
    ...impliedReferences(where, config, personas, noted),
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
  return {
    where,
    config,
    personas,
    workspaces,
    extras: chosen.extras,
    secrets: references.filter((one) => one.class === 'secret' && covered(one.absolute)),
    warnings,
    layout: {
      platform: process.platform,
      hostname: hostname(),
      ...account(),
      roots,
      port: portOf(where, config, variables),
      versions: {
        openclaw: binary?.version ?? '',
        schemas: schemasOf(where, personas, noted, binary),
        node: process.versions.node,
        agent: agentVersion,
      },
    },
  }
}

/** An account that only has a number goes by it. */
function account(): { readonly user: string; readonly uid: number } {
  const uid = process.getuid?.() ?? 0
  try {
    return { user: userInfo().username, uid }
  } catch (error) {
    if (errno(error) === 'ERR_SYSTEM_ERROR') return { user: String(uid), uid }
    throw error
  }
}

/** Of several personas with one workspace the first names the root. */
function workspacesOf(
  where: Where,
  personas: readonly Persona[],
  warnings: ManifestMeta['warnings'][number][],
): Located['workspaces'] {
  const found = new Map<string, Located['workspaces'][number]>()
  for (const { id, workspace } of personas) {
    // A link in the state directory is captured as the link it is; what it leads to is the workspace.
    const absolute = isWithin(where.state, workspace) ? targetOf(workspace) : workspace
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

function targetOf(absolute: string): string {
  const isLink = lstatSync(absolute, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
  return isLink && isDirectory(absolute) ? realpathSync(absolute) : absolute
}

/** The newest schema of each kind of database that has data here, or that the OpenClaw here makes of it. */
function schemasOf(
  where: Where,
  personas: readonly Persona[],
  noted: Noted,
  binary: Binary | undefined,
): Record<string, number> {
  const own = personas.map(({ directory }) => agentDatabaseOf(directory))
  const agents = new Set([...own, ...noted.databases.map(({ absolute }) => absolute)])
  const schemas: Record<string, number> = { ...binary?.schemas }
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
function portOf(where: Where, { tree }: Config, variables: Variables): number {
  const pin = /^(?:[^:]+:|\[[^\]]+\]:)?(\d+)$/.exec(
    variables.get('OPENCLAW_GATEWAY_PORT')?.trim() ?? '',
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
