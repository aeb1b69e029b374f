/** The fields of a configuration that name files or directories which belong to the installation though they may lie anywhere. */
import type { PackClass, Section, Travel } from '@ocm/protocol'
import { type Where, onThisDisk, resolveUserPath } from './discovery.ts'
import { type Found, type Tree, at, findAll } from './tree.ts'
import { type Variables, expand } from './variables.ts'

/**
 * What of the place is taken. `whole`: a file or a directory, however large. `any`: a directory only if it is not too
 * large. `file`: only if it is a file. `program`: a script, with the project around it if it has one; an executable of
 * the machine is not taken.
 */
export type Take = 'whole' | 'any' | 'file' | 'program'

export interface Reference {
  /** Where in the configuration it stands, dotted. */
  readonly field: string
  /** Stable over captures: what refers to it, not where it lies. */
  readonly name: string
  readonly absolute: string
  readonly take: Take
  readonly section: Section
  readonly class: Exclude<PackClass, 'tree'>
  readonly travel: Travel
  readonly persona?: string
  /** The directory of the state directory that it stands in for. */
  readonly like?: string
}

interface Field {
  readonly pattern: string
  /** What its root is called; followed by the value of the first '*' if that is a name. */
  readonly called: string
  readonly take: Take
  readonly is: readonly [Section, Exclude<PackClass, 'tree'>, Travel]
}

const field = (
  pattern: string,
  called: string,
  take: Take,
  ...is: [Section, Exclude<PackClass, 'tree'>, Travel]
): Field => ({ pattern, called, take, is })

const programs = (pattern: string, called: string): readonly Field[] => [
  field(`${pattern}.cwd`, called, 'any', 'plugins', 'state', 'always'),
  field(`${pattern}.command`, called, 'program', 'plugins', 'state', 'always'),
  field(`${pattern}.args.*`, called, 'program', 'plugins', 'state', 'always'),
]

const FIELDS: readonly Field[] = [
  field('session.store', 'sessions', 'file', 'history', 'bulk', 'always'),
  field('secrets.providers.*.path', 'secrets', 'file', 'credentials', 'secret', 'always'),
  field('secrets.providers.*.command', 'secrets', 'program', 'credentials', 'state', 'always'),
  field('secrets.providers.*.args.*', 'secrets', 'program', 'credentials', 'state', 'always'),
  field('desktop.host.passwordFile', 'desktop', 'file', 'credentials', 'secret', 'always'),
  field('gateway.tls.certPath', 'tls', 'file', 'gateway', 'secret', 'identity'),
  field('gateway.tls.keyPath', 'tls', 'file', 'gateway', 'secret', 'identity'),
  field('gateway.tls.caPath', 'tls', 'file', 'gateway', 'secret', 'identity'),
  field('proxy.tls.caFile', 'proxy', 'file', 'gateway', 'state', 'always'),
  field('gateway.controlUi.root', 'control-ui', 'any', 'gateway', 'state', 'always'),
  field('gateway.remote.sshIdentity', 'ssh', 'file', 'credentials', 'secret', 'identity'),
  field(
    'gateway.nodes.pairing.sshVerify.identity',
    'ssh',
    'file',
    'credentials',
    'secret',
    'identity',
  ),
  field('skills.load.extraDirs.*', 'skills', 'any', 'skills', 'state', 'always'),
  field('skills.load.allowSymlinkTargets.*', 'skills', 'any', 'skills', 'state', 'always'),
  field('hooks.transformsDir', 'hooks', 'any', 'plugins', 'state', 'always'),
  field('hooks.internal.load.extraDirs.*', 'hooks', 'any', 'plugins', 'state', 'always'),
  field('plugins.load.paths.*', 'plugins', 'any', 'plugins', 'state', 'always'),
  ...programs('mcp.servers.*', 'mcp'),
  ...programs('nodeHost.mcp.servers.*', 'mcp'),
  ...programs('models.providers.*.localService', 'model'),
  ...programs('tools.media.models.*', 'media'),
  ...programs('tools.links.models.*', 'links'),
  ...programs('security.installPolicy.exec', 'install-policy'),
  field('memory.search.extraPaths.*', 'memory', 'any', 'history', 'bulk', 'always'),
  field('memory.search.extraPaths.*.path', 'memory', 'any', 'history', 'bulk', 'always'),
  field('agents.**.memory.search.extraPaths.*', 'memory', 'any', 'history', 'bulk', 'always'),
  field('agents.**.memory.search.extraPaths.*.path', 'memory', 'any', 'history', 'bulk', 'always'),
  field('agents.defaults.repoRoot', 'repo', 'any', 'workspaces', 'bulk', 'always'),
  field('agents.**.cwd', 'cwd', 'any', 'workspaces', 'bulk', 'always'),
  field('bindings.*.acp.cwd', 'cwd', 'any', 'workspaces', 'bulk', 'always'),
  field('agents.**.tts.prefsPath', 'tts', 'file', 'personas', 'state', 'always'),
  field(
    'agents.**.sandbox.docker.seccompProfile',
    'sandbox',
    'file',
    'environment',
    'state',
    'always',
  ),
  field(
    'agents.**.sandbox.docker.apparmorProfile',
    'sandbox',
    'file',
    'environment',
    'state',
    'always',
  ),
  field('agents.**.sandbox.ssh.identityFile', 'ssh', 'file', 'credentials', 'secret', 'identity'),
  field(
    'agents.**.sandbox.ssh.certificateFile',
    'ssh',
    'file',
    'credentials',
    'secret',
    'identity',
  ),
  field('agents.**.sandbox.ssh.knownHostsFile', 'ssh', 'file', 'environment', 'state', 'always'),
  field(
    'plugins.entries.memory-wiki.config.vault.path',
    'wiki',
    'any',
    'history',
    'bulk',
    'always',
  ),
  field(
    'plugins.entries.active-memory.config.transcriptDir',
    'transcripts',
    'any',
    'history',
    'bulk',
    'always',
  ),
  field('plugins.entries.*.config.**', 'plugin', 'file', 'plugins', 'secret', 'always'),
]

/** Credentials and crypto state of channels go by many names; a channel's programs and sockets end otherwise or are named here. */
const CHANNEL_PLACES = /(?:File|Path|Dir)$/
const CHANNEL_PROGRAMS = new Set(['cliPath', 'socketPath', 'dbPath'])

/** References to absolute and `~` paths; a relative one stands for whatever directory the gateway was started in. */
export function referencesOf(where: Where, tree: Tree, variables: Variables): readonly Reference[] {
  const found: Reference[] = []
  const add = (hit: Found, { called, take, is }: Omit<Field, 'pattern'>) => {
    const absolute = absolutePath(hit.value, where, variables)
    if (absolute === undefined) return
    const [section, packClass, travel] = is
    const persona = hit.keys[0] === 'agents' && hit.keys[1] === 'entries' ? hit.keys[2] : undefined
    found.push({
      field: hit.keys.join('.'),
      name: nameOf(called, hit),
      absolute,
      take,
      section,
      class: packClass,
      travel,
      ...(persona === undefined ? {} : { persona }),
    })
  }
  for (const one of FIELDS) for (const hit of findAll(tree, one.pattern)) add(hit, one)
  for (const hit of findAll(at(tree, 'channels'), '**')) {
    const key = hit.keys.at(-1) ?? ''
    if (!CHANNEL_PLACES.test(key) || CHANNEL_PROGRAMS.has(key)) continue
    add(
      { value: hit.value, keys: ['channels', ...hit.keys] },
      { called: 'channel', take: 'any', is: ['channels', 'secret', 'identity'] },
    )
  }
  return found
}

function absolutePath(value: unknown, where: Where, variables: Variables): string | undefined {
  if (typeof value !== 'string' || value.includes('\n')) return undefined
  const text = expand(value, variables).trim()
  if (!/^(?:\/|~(?:\/|$))/.test(text)) return undefined
  return onThisDisk(where, resolveUserPath(text, where.home))
}

/** `mcp-search`, `skills-team`: the keys that people chose on the way to it, else the last name of the place. */
function nameOf(called: string, { keys, value }: Found): string {
  const chosen = keys.filter((key, i) => NAMED.has(keys[i - 1] ?? '') && !/^\d+$/.test(key))
  const last =
    String(value)
      .split('/')
      .findLast((part) => part !== '') ?? ''
  return [called, ...(chosen.length === 0 ? [last] : chosen)].join('-')
}

/** Maps whose keys people chose. */
const NAMED = new Set(['providers', 'servers', 'entries', 'channels', 'accounts'])
