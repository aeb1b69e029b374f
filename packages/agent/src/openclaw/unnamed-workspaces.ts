/**
 * Workspaces that a configuration does not name because they lie where OpenClaw looks by itself. Where one goes elsewhere
 * than OpenClaw would look on the target, it is named there.
 */
import path from 'node:path'
import { placeToName, rewritePath, rootOfPath } from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import { readConfig } from './config.ts'
import type { Where } from './discovery.ts'
import { rootName } from './extras.ts'
import type { ConfigurationPart, SourceFile } from './file-strings.ts'
import type { Told } from './mention.ts'
import { type Persona, personaId, personasOf } from './personas.ts'
import { parsed } from './salvage.ts'
import { type Walk, pointer } from './strings.ts'
import { type Tree, at, isTree, treeAt } from './tree.ts'
import { variablesOf } from './variables.ts'

/** What a capture says of them: where each would be named, and where it is. */
export const unnamedIn = (personas: readonly Persona[], { rules }: Pick<Walk, 'rules'>): Told[] =>
  personas.flatMap(({ workspace, implied, keys }): Told[] => {
    const under = rootOfPath(workspace, rules)
    if (implied === undefined || under === undefined) return []
    const place = { at: pointer([...keys, 'workspace']), section: 'personas' } as const
    return [{ ...place, kind: 'path', class: 'structured', text: workspace, under, implied }]
  })

interface Naming {
  readonly persona: string
  readonly workspace: string
  /** How deep in the whole configuration the file begins that its entry stands in; the outermost of several. */
  readonly depth: number
  /** It has no entry anywhere: it is the only persona, and goes by what is said of all. */
  readonly byDefault: boolean
}

/** @param parts of the source's configuration, as they were captured */
export function namingsFor(
  staged: Staged,
  files: readonly SourceFile[],
  parts: readonly (ConfigurationPart & { readonly tree: unknown })[],
): readonly Naming[] {
  const main = parts.find(({ prefix, text }) => prefix.length === 0 && isTree(parsed(text)))
  if (main === undefined) return []
  const { rules, choices } = staged
  return personasAt(staged, files, main.file.absolute).flatMap((persona): Naming[] => {
    const { id, keys } = persona
    const { workspace: text, implied } = pinned(staged, persona)
    const workspace =
      implied === undefined ? undefined : placeToName({ text, implied }, rules, choices.kind)
    if (workspace === undefined) return []
    const depths = parts
      .filter(({ tree }) => isTree(tree) && withEntry(tree, id, (entry) => entry) !== undefined)
      .map(({ prefix }) => prefix.length)
    const byDefault = keys[1] === 'defaults'
    const depth = byDefault ? 0 : Math.min(...depths)
    return [{ persona: id, workspace, depth, byDefault }]
  })
}

function personasAt(
  { from }: Staged,
  files: readonly SourceFile[],
  config: string,
): readonly Persona[] {
  const byPath = new Map(files.map((file) => [file.absolute, file]))
  const read = (absolute: string) => byPath.get(absolute)?.read()
  const { home = '', state = '' } = from.roots
  // Whatever it was allowed to include there, is part of it.
  const env = { OPENCLAW_INCLUDE_ROOTS: '/' }
  const where: Where = { home, state, config, profile: '', env, agentState: '' }
  const { tree } = readConfig(where, read)
  return personasOf(where, tree, variablesOf(where, tree, read))
}

/** What a variable of the source's process said is not here, but where the workspace lay is. */
function pinned(
  { from, files, rules }: Staged,
  { id, workspace, implied }: Persona,
): Pick<Persona, 'workspace' | 'implied'> {
  const was = from.roots[`workspace:${rootName(id)}`]
  const byDefault = workspace === path.join(from.roots['state'] ?? '', 'workspace')
  if (!byDefault || implied === undefined || was === undefined || was === workspace) {
    return { workspace, ...(implied === undefined ? {} : { implied }) }
  }
  // Or it is a link, which comes along and leads there.
  const link = rewritePath(workspace, rules)
  const isLink = files.some(({ absolute, kind }) => kind === 'link' && absolute === link)
  return isLink ? { workspace, implied } : { workspace: was, implied: '' }
}

/** @param depth how deep in the whole configuration the part begins that `tree` is */
export function withNamings(tree: Tree, depth: number, namings: readonly Naming[]): Tree {
  return namings.reduce((so, { persona, workspace, depth: own, byDefault }) => {
    if (own !== depth) return so
    if (!byDefault) return withEntry(so, persona, (entry) => ({ ...entry, workspace })) ?? so
    const agents = treeAt(so, 'agents')
    const defaults = { ...treeAt(agents, 'defaults'), workspace }
    return { ...so, agents: { ...agents, defaults } }
  }, tree)
}

/** In either of the two shapes; undefined when the persona has no entry in this part. */
function withEntry(tree: Tree, persona: string, change: (entry: Tree) => Tree): Tree | undefined {
  const agents = treeAt(tree, 'agents')
  const inAgents = (more: Tree): Tree => ({ ...tree, agents: { ...agents, ...more } })
  const changed = (entry: unknown) => change(isTree(entry) ? entry : {})
  const entries = agents['entries']
  if (isTree(entries)) {
    const key = Object.keys(entries).find((written) => personaId(written) === persona)
    return key === undefined
      ? undefined
      : inAgents({ entries: { ...entries, [key]: changed(entries[key]) } })
  }
  const list = agents['list']
  const isIts = (entry: unknown) => isTree(entry) && personaId(at(entry, 'id')) === persona
  if (Array.isArray(list)) {
    const i = list.findIndex(isIts)
    return i === -1 ? undefined : inAgents({ list: list.with(i, changed(list[i])) })
  }
  // What one entry of a list includes.
  const key = isTree(list) ? Object.keys(list).find((one) => isIts(list[one])) : undefined
  return key === undefined
    ? undefined
    : inAgents({ list: { ...(list as Tree), [key]: changed((list as Tree)[key]) } })
}
