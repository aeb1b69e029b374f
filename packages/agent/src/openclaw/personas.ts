/** The personas of a configuration, in either of the two shapes OpenClaw has had for them. */
import path from 'node:path'
import { isWithin } from '@ocm/protocol'
import { type Where, onThisDisk, resolveUserPath } from './discovery.ts'
import { type Tree, at, isTree, textAt } from './tree.ts'
import { type Variables, expand } from './variables.ts'

export interface Persona {
  readonly id: string
  readonly workspace: string
  /**
   * Of a workspace that no field names outright: the directory around it that it is found from; '' when only a variable
   * of the process names it.
   */
  readonly implied?: string
  /** The keys of its entry, or of what stands for one. */
  readonly keys: readonly string[]
  /** Where its own database and accounts lie. */
  readonly directory: string
}

interface Entry {
  readonly id: string
  readonly keys: readonly string[]
  readonly fields: Tree
}

/** In the order of the configuration. A configuration without any has the one persona 'main'. */
export function personasOf(where: Where, tree: Tree, variables: Variables): readonly Persona[] {
  const entries = entriesOf(tree)
  const resolve = (text: string) =>
    onThisDisk(where, resolveUserPath(expand(text, variables), where.home))
  const heir = heirOf(tree, entries)
  const shared = textAt(tree, 'agents.defaults.workspace')
  return entries.map(({ id, keys, fields }) => {
    const own = textAt(fields, 'workspace')
    const directory = textAt(fields, 'agentDir')
    return {
      id,
      keys,
      ...(own === undefined
        ? inherited(where, shared, id, id === heir, resolve)
        : named(where, own, resolve)),
      directory:
        directory === undefined
          ? path.join(where.state, 'agents', id, 'agent')
          : resolve(directory),
    }
  })
}

export const personaIdsOf = (tree: Tree): readonly string[] => entriesOf(tree).map(({ id }) => id)

/** Who does what belongs to no persona in particular; '' when nobody is named. */
export function systemPersonaOf(tree: Tree): string {
  const written = textAt(tree, 'agents.defaults.systemAgent.agentId')
  if (written !== undefined) return personaId(written)
  return heirOf(tree, entriesOf(tree)) ?? ''
}

export function personaId(text: unknown): string {
  const trimmed = typeof text === 'string' ? text.trim() : ''
  const lower = trimmed.toLowerCase()
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/.test(lower)) return lower
  const cleaned = lower.replace(/[^a-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '')
  return cleaned.slice(0, 64) || 'main'
}

function entriesOf(tree: Tree): readonly Entry[] {
  const keyed = at(tree, 'agents.entries')
  const listed = at(tree, 'agents.list')
  const raw: readonly Entry[] = isTree(keyed)
    ? Object.entries(keyed).map(([id, fields]) => ({
        id,
        keys: ['agents', 'entries', id],
        fields: isTree(fields) ? fields : {},
      }))
    : Array.isArray(listed)
      ? listed.flatMap((fields: unknown, i) =>
          isTree(fields)
            ? [{ id: String(fields['id'] ?? ''), keys: ['agents', 'list', String(i)], fields }]
            : [],
        )
      : [{ id: 'main', keys: ['agents', 'defaults'], fields: {} }]
  const seen = new Set<string>()
  return raw.flatMap((entry) => {
    const id = personaId(entry.id)
    if (seen.has(id)) return []
    seen.add(id)
    return [{ ...entry, id }]
  })
}

/** The one persona that uses the default workspace itself rather than a directory in it. */
function heirOf(tree: Tree, entries: readonly Entry[]): string | undefined {
  if (entries.length === 1) return entries[0]?.id
  if (at(tree, 'agents.ownership') === 'explicit') return undefined
  const marked = entries.filter(({ fields }) => fields['default'] === true)
  if (marked.length === 1) return marked[0]?.id
  // Up to 2026.7 the first of the list was the default one when none was marked.
  return Array.isArray(at(tree, 'agents.list')) ? entries[0]?.id : undefined
}

type Workspace = Pick<Persona, 'workspace' | 'implied'>

function inherited(
  where: Where,
  shared: string | undefined,
  id: string,
  heir: boolean,
  resolve: (text: string) => string,
): Workspace {
  if (shared !== undefined) {
    const { workspace, implied } = named(where, shared, resolve)
    if (heir) return { workspace, ...(implied === undefined ? {} : { implied }) }
    return { workspace: path.join(workspace, id), implied: implied ?? workspace }
  }
  const { state } = where
  if (!heir) return { workspace: path.join(state, `workspace-${id}`), implied: state }
  const pinned = where.env['OPENCLAW_WORKSPACE_DIR']?.trim()
  return pinned
    ? { workspace: path.resolve(pinned), implied: '' }
    : { workspace: path.join(state, 'workspace'), implied: state }
}

/** A relative path is found from the home, and so is what begins with its variable: no rule changes such a text. */
function named(where: Where, text: string, resolve: (text: string) => string): Workspace {
  const workspace = resolve(text)
  const trimmed = text.trim()
  if (/^(?:[/~]|\$\{(?!HOME\}))/.test(trimmed)) return { workspace }
  return { workspace, implied: isWithin(where.home, workspace) ? where.home : '' }
}
