/** Parts of a configuration, put into one that keeps the rest of its own, comments and includes too. */
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Graft, OcmError, keysOfPointer } from '@ocm/protocol'
import { type Config, type ReadFile, readConfig } from '../config.ts'
import { editJson5 } from '../config-edit.ts'
import { configFilesFrom } from '../config-strings.ts'
import type { Where } from '../discovery.ts'
import { rootName } from '../extras.ts'
import { personaId, personasOf } from '../personas.ts'
import { type Tree, at, isTree, textAt } from '../tree.ts'
import { variablesOf } from '../variables.ts'
import { bindingsIn, entriesIn } from './config-ties.ts'
import { renameInValue } from './rename-persona.ts'

export interface ConfigMerge {
  readonly where: Where
  /** Of the live configuration. */
  readonly read: ReadFile
  /** The source's, rewritten for this node. */
  readonly source: Tree
  readonly graft: Graft
  readonly isRestore: boolean
}

/**
 * @returns the new texts of the files that change, by absolute path.
 * @throws OcmError 'config-not-editable'
 */
export function mergeConfig(merge: ConfigMerge): ReadonlyMap<string, string> {
  const draft = new Draft(merge.where, merge.read)
  if (merge.graft.personas.length > 0) addPersonas(draft, merge)
  for (const pointer of merge.graft.config) {
    const keys = keysOfPointer(pointer) ?? []
    draft.set(keys, renameInValue(valueOf(merge.source, keys), merge.graft.personas))
  }
  return draft.changed
}

/** Keys may hold dots. */
const valueOf = (tree: unknown, keys: readonly string[]): unknown =>
  keys.reduce<unknown>((here, key) => (isTree(here) ? here[key] : undefined), tree)

/** The files of a configuration while they change, and what they come to together. */
class Draft {
  readonly changed = new Map<string, string>()
  readonly #where: Where
  readonly #read: ReadFile
  #config: Config

  constructor(where: Where, read: ReadFile) {
    this.#where = where
    this.#read = read
    this.#config = this.#resolve()
    if (this.#config.problems.length > 0) throw new OcmError('config-not-editable')
  }

  get tree(): Tree {
    return this.#config.tree
  }

  /** In the file that the place belongs to, or in the outermost one where that comes to the same. */
  set(keys: readonly string[], value: unknown): void {
    const was = this.tree
    if (isDeepStrictEqual(valueOf(was, keys), value)) return
    const wanted = withValue(was, keys, value)
    const files = configFilesFrom(this.#where.config, (absolute) => {
      const bytes = this.#text(absolute)
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
    })
      .filter(
        ({ prefix }) => prefix.length < keys.length && prefix.every((key, i) => key === keys[i]),
      )
      .toSorted((a, b) => b.prefix.length - a.prefix.length)
    for (const { absolute, prefix, text } of files) {
      const before = this.changed.get(absolute)
      this.changed.set(
        absolute,
        editJson5(text, (whole) => withValue(whole, keys.slice(prefix.length), value)),
      )
      this.#config = this.#resolve()
      if (isDeepStrictEqual(this.tree, wanted)) return
      if (before === undefined) this.changed.delete(absolute)
      else this.changed.set(absolute, before)
    }
    throw new OcmError('config-not-editable')
  }

  #resolve(): Config {
    return readConfig(this.#where, (absolute) => this.#text(absolute))
  }

  #text(absolute: string): Uint8Array | undefined {
    const text = this.changed.get(absolute)
    return text === undefined ? this.#read(absolute) : new TextEncoder().encode(text)
  }
}

function withValue(tree: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value
  const here = isTree(tree) ? tree : {}
  return { ...here, [key]: withValue(here[key], rest, value) }
}

function addPersonas(draft: Draft, merge: ConfigMerge): void {
  const { source, graft, isRestore } = merge
  settleOwners(draft, merge)
  const entries = entriesIn(source)
  for (const { from, to } of graft.personas) {
    const fields = entries.find(({ id }) => id === from)?.fields ?? {}
    const { default: _, id: __, ...rest } = renameInValue(fields, graft.personas) as Tree
    const entry = { ...rest, ...placesOf(merge, from, fields) }
    const listed = at(draft.tree, 'agents.list')
    if (Array.isArray(listed) && !isTree(at(draft.tree, 'agents.entries'))) {
      const others = listed.filter((one) => personaId(textAt(one, 'id')) !== to)
      draft.set(['agents', 'list'], [...others, { id: to, ...entry }])
    } else {
      const own = entriesIn(draft.tree).find(({ id }) => id === to)
      draft.set(own?.keys ?? ['agents', 'entries', to], entry)
    }
  }
  const ids = new Set(graft.personas.map(({ to }) => to))
  const coming = (renameInValue(bindingsIn(source), graft.personas) as readonly Tree[]).filter(
    (binding) => isOf(binding, ids),
  )
  const own = bindingsIn(draft.tree)
  const kept = isRestore
    ? own.filter((one) => !isOf(one, ids) || coming.some((other) => isDeepStrictEqual(other, one)))
    : own
  const fresh = coming.filter((one) => !kept.some((other) => isDeepStrictEqual(other, one)))
  const bindings = [...kept, ...fresh]
  if (bindings.length > 0 || own.length > 0) draft.set(['bindings'], bindings)
}

const isOf = (binding: Tree, personas: ReadonlySet<string>): boolean => {
  const written = textAt(binding, 'agentId')
  return written !== undefined && personas.has(personaId(written))
}

/** Where its things are on this node, said outright: what it inherited on the source may be something else here. */
function placesOf({ graft }: ConfigMerge, id: string, fields: Tree): Tree {
  const root = graft.carried.find((one) => one.root === `workspace:${rootName(id)}`)
  const room = graft.carried.find((one) => one.root === 'state' && one.path === `agents/${id}`)
  const workspace = root?.to ?? textAt(fields, 'workspace')
  return {
    ...(workspace === undefined ? {} : { workspace }),
    ...(room === undefined ? {} : { agentDir: path.join(room.to, 'agent') }),
  }
}

/** What one persona has because it is the only one, it is to keep when it is not the only one any more. */
function settleOwners(draft: Draft, { where, read }: ConfigMerge): void {
  const { tree } = draft
  const own = personasOf(where, tree, variablesOf(where, tree, read))
  const [only] = own
  if (only === undefined || own.length > 1 || Array.isArray(at(tree, 'agents.list'))) return
  const keys = ['agents', 'entries', only.id]
  const written = Object.keys(
    isTree(at(tree, 'agents.entries')) ? (at(tree, 'agents.entries') as Tree) : {},
  )
  if (written.length > 0) keys[2] = written[0] as string
  const fields = valueOf(tree, keys)
  if (textAt(fields, 'workspace') === undefined) {
    draft.set([...keys, 'workspace'], only.workspace)
  }
  if (at(tree, 'agents.ownership') !== undefined) return
  draft.set(['agents', 'ownership'], 'explicit')
  for (const owner of [
    ['agents', 'defaults', 'systemAgent', 'agentId'],
    ['agents', 'defaults', 'heartbeat', 'agentId'],
    ['talk', 'agentId'],
  ]) {
    if (valueOf(draft.tree, owner) === undefined) draft.set(owner, only.id)
  }
}
