/**
 * What lies where in the state directory: which section it is of, where it may go, and what is made anew and stays out.
 * The first line that matches a path or a directory above it decides.
 */
import type { PackClass, Section, Travel } from '@ocm/protocol'
import type { Placement } from '../installation.port.ts'

type Meaning = 'regenerable' | readonly [Section, Exclude<PackClass, 'tree'>, Travel]

/** '*' stands for a part of one name, '**' for any number of names. */
const TABLE: readonly (readonly [pattern: string, Meaning])[] = [
  // Made anew by OpenClaw, by its installer or by a package manager.
  ['cache', 'regenerable'],
  ['npm', 'regenerable'],
  ['npm-runtime', 'regenerable'],
  ['git', 'regenerable'],
  ['dev', 'regenerable'],
  ['tools', 'regenerable'],
  ['node-runtime', 'regenerable'],
  ['models', 'regenerable'],
  ['plugin-skills', 'regenerable'],
  ['extensions/**/node_modules', 'regenerable'],
  ['completions', 'regenerable'],
  ['media/remote-cache', 'regenerable'],
  // Of this process or this machine.
  ['tmp', 'regenerable'],
  ['logs', 'regenerable'],
  ['browser', 'regenerable'],
  ['sandbox', 'regenerable'],
  ['sandboxes', 'regenerable'],
  ['worktrees', 'regenerable'],
  ['fleet/cells', 'regenerable'],
  ['service-env', 'regenerable'],
  ['gateway.systemd.env', 'regenerable'],
  ['node.systemd.env', 'regenerable'],
  ['gateway.cmd', 'regenerable'],
  ['node.cmd', 'regenerable'],
  ['update-check.json', 'regenerable'],
  ['config-journal-fingerprint.key', 'regenerable'],
  ['state/openclaw-quarantine.sqlite*', 'regenerable'],
  ['*.lock.sqlite*', 'regenerable'],
  ['state/**/*.lock.sqlite*', 'regenerable'],
  ['agents/**/*.lock.sqlite*', 'regenerable'],
  ['agents/*/agent/*.reindex-lock.sqlite*', 'regenerable'],

  // Configuration. Its history names old paths, and a repair may bring it back: it never leaves this machine.
  ['openclaw.json', ['gateway', 'secret', 'always']],
  ['clawdbot.json', ['gateway', 'secret', 'always']],
  ['openclaw.json.*', ['gateway', 'secret', 'host']],
  ['clawdbot.json.*', ['gateway', 'secret', 'host']],
  ['.env', ['environment', 'secret', 'always']],
  ['.env.*', ['environment', 'secret', 'always']],
  ['secrets.json', ['credentials', 'secret', 'always']],
  ['gateway/tls', ['gateway', 'secret', 'host']],

  // Databases and what surrounds them.
  ['state/*.bak', ['history', 'bulk', 'host']],
  ['state', ['gateway', 'state', 'always']],

  // Personas.
  ['agents/*/agent/codex-home', ['credentials', 'secret', 'identity']],
  ['agents/*/agent/copilot', ['credentials', 'secret', 'identity']],
  ['agents/*/agent/auth*.json', ['credentials', 'secret', 'always']],
  ['agents/*/agent/*.sqlite', ['history', 'state', 'always']],
  ['agents/*/session-sqlite-import-archive', ['history', 'bulk', 'host']],
  ['agents/*/session-sqlite-migration-runs', ['history', 'bulk', 'host']],
  ['agents/*/sessions', ['history', 'bulk', 'always']],
  ['agents', ['personas', 'state', 'always']],
  ['workspace', ['workspaces', 'bulk', 'always']],
  ['workspace-*', ['workspaces', 'bulk', 'always']],

  // Who this node is, and whom it knows. Files of the time before 2026.9; rows since.
  ['identity', ['gateway', 'secret', 'identity']],
  ['devices', ['gateway', 'secret', 'identity']],
  ['nodes', ['gateway', 'secret', 'identity']],
  ['node.json', ['gateway', 'secret', 'identity']],
  ['exec-approvals.json', ['gateway', 'secret', 'identity']],
  ['cron/runs', ['history', 'bulk', 'always']],
  ['cron', ['cron', 'state', 'always']],

  // Channels: a second copy that runs makes both useless.
  ['credentials', ['channels', 'secret', 'identity']],
  ['matrix', ['channels', 'secret', 'identity']],
  ['whatsapp', ['channels', 'secret', 'identity']],
  ['signal', ['channels', 'secret', 'identity']],
  ['telegram', ['channels', 'state', 'identity']],
  ['discord', ['channels', 'state', 'identity']],
  ['slack', ['channels', 'state', 'identity']],
  ['msteams', ['channels', 'state', 'identity']],
  ['imessage', ['channels', 'state', 'identity']],
  ['reef', ['channels', 'secret', 'identity']],
  ['zalouser', ['channels', 'secret', 'identity']],
  ['voice-calls', ['channels', 'bulk', 'identity']],
  // Messages on their way out: sent again they would be sent twice.
  ['delivery-queue*', ['channels', 'state', 'never']],

  ['hooks', ['plugins', 'state', 'always']],
  ['extensions', ['plugins', 'state', 'always']],
  ['skills', ['skills', 'state', 'always']],
  ['skill-library', ['skills', 'state', 'always']],
  ['skill-workshop', ['skills', 'state', 'always']],
  ['memory', ['history', 'bulk', 'always']],
  ['wiki', ['history', 'bulk', 'always']],
  ['qmd', ['history', 'bulk', 'always']],
  ['media', ['history', 'bulk', 'always']],
  ['canvas', ['history', 'bulk', 'always']],
  ['transcripts', ['history', 'bulk', 'always']],
  ['sessions', ['history', 'bulk', 'always']],
  ['migration', ['gateway', 'state', 'host']],
]

/** A plugin's or a later version's own: better taken than missed. */
const OTHERWISE: Meaning = ['gateway', 'state', 'always']

interface Line {
  /** Of the first name alone. */
  readonly first: RegExp
  readonly whole: RegExp
  readonly meaning: Meaning
}

const LINES: readonly Line[] = TABLE.map(([pattern, meaning]) => ({
  first: matcher(pattern.split('/')[0] as string),
  whole: matcher(pattern),
  meaning,
}))

/** The lines that can match below a name of the state directory: a large node has many paths below few names. */
const linesBelow = new Map<string, readonly Line[]>()

/** Names that a new state directory takes over from the one it replaces. Locks and sockets of a stopped gateway are not worth it. */
export const REGENERABLE: readonly string[] = TABLE.filter(
  ([pattern, meaning]) =>
    meaning === 'regenerable' && /^[^*/]+$/.test(pattern) && pattern !== 'tmp',
).map(([pattern]) => pattern)

/** @param relative the path below the state directory. */
export function sourceOf(relative: string): Placement | 'regenerable' {
  const name = relative.split('/', 1)[0] as string
  const lines = linesBelow.get(name) ?? LINES.filter(({ first }) => first.test(name))
  linesBelow.set(name, lines)
  const meaning = lines.find(({ whole }) => whole.test(relative))?.meaning ?? OTHERWISE
  if (meaning === 'regenerable') return meaning
  return placementOf(meaning, /^agents\/([^/]+)/.exec(relative)?.[1])
}

/** One object for all that is placed alike: there are few of them, and tens of thousands of paths. */
const placements = new Map<string, Placement>()

function placementOf(
  [section, packClass, travel]: Exclude<Meaning, 'regenerable'>,
  persona: string | undefined,
): Placement {
  const key = `${section} ${packClass} ${travel} ${persona ?? ''}`
  const known = placements.get(key)
  if (known) return known
  const placement = {
    section,
    class: packClass,
    travel,
    ...(persona === undefined ? {} : { persona }),
  }
  placements.set(key, placement)
  return placement
}

function matcher(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:[^/]+/)*'))
  return new RegExp(`^${source}(?:/|$)`, 's')
}
