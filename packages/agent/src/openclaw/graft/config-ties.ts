/** What the parts of a configuration stand on, and what they bring to others. */
import type { Tie } from '@ocm/protocol'
import { personaId } from '../personas.ts'
import { pointer } from '../strings.ts'
import { type Tree, at, findAll, isTree, textAt, treeAt } from '../tree.ts'

export type What = Tie['what']
type Part = Tie['part']

const tie = (way: Tie['way'], part: Part, what: What, name: string): Tie => ({
  part,
  way,
  what,
  name,
})
export const needs = (part: Part, what: What, name: string): Tie => tie('needs', part, what, name)
export const brings = (part: Part, what: What, name: string): Tie => tie('brings', part, what, name)

export const persona = (name: string): Part => ({ kind: 'persona', name })
export const section = (name: string): Part => ({ kind: 'section', name })
const place = (keys: readonly string[]): Part => ({ kind: 'config', name: pointer(keys) })

/** Maps whose entries bring something by their own names. */
const BROUGHT: readonly (readonly [map: string, What])[] = [
  ['models.providers', 'provider'],
  ['channels', 'channel'],
  ['env.vars', 'variable'],
  ['secrets.providers', 'secrets'],
]

/** Maps whose entries belong to a section each by itself, and single fields that do. */
const OF_SECTIONS: readonly (readonly [Tie['part']['name'], readonly string[]])[] = [
  ['skills', ['skills.entries.*', 'skills.load']],
  ['plugins', ['plugins.entries.*', 'plugins.load', 'mcp.servers.*', 'hooks.internal.entries.*']],
  ['credentials', ['auth.profiles.*', 'secrets.providers.*', 'models.providers.*']],
  ['environment', ['env.vars.*']],
]

export function tiesInConfig(tree: Tree): readonly Tie[] {
  const found: Tie[] = []
  for (const [map, what] of BROUGHT) {
    for (const name of Object.keys(treeAt(tree, map))) {
      found.push(brings(place([...map.split('.'), name]), what, name))
    }
  }
  for (const [name, patterns] of OF_SECTIONS) {
    for (const pattern of patterns) {
      for (const { keys } of findAll(tree, pattern)) {
        found.push(brings(section(name), 'config', pointer(keys)))
      }
    }
  }
  for (const { value, keys } of findAll(tree, '**')) {
    found.push(...needsOf(value, keys).map(([what, name]) => needs(place(keys), what, name)))
  }
  for (const { id, keys, fields } of entriesIn(tree)) {
    found.push(brings(persona(id), 'config', pointer(keys)))
    for (const { value, keys: inside } of findAll(fields, '**')) {
      found.push(...needsOf(value, inside).map(([what, name]) => needs(persona(id), what, name)))
    }
  }
  for (const binding of bindingsIn(tree)) {
    const id = textAt(binding, 'agentId')
    const channel = textAt(binding, 'match.channel')
    if (id === undefined) continue
    if (channel !== undefined) found.push(needs(persona(personaId(id)), 'channel', channel))
  }
  for (const [i, binding] of bindingsIn(tree).entries()) {
    const id = textAt(binding, 'agentId')
    const channel = textAt(binding, 'match.channel')
    const part = place(['bindings', String(i)])
    if (id !== undefined) found.push(needs(part, 'persona', personaId(id)))
    if (channel !== undefined) found.push(needs(part, 'channel', channel))
  }
  return found
}

export const bindingsIn = (tree: Tree): readonly Tree[] => {
  const bindings = at(tree, 'bindings')
  return Array.isArray(bindings) ? bindings.filter(isTree) : []
}

/** The personas, by the ids that OpenClaw makes of what is written, in either of the two shapes. */
export function entriesIn(
  tree: Tree,
): readonly { readonly id: string; readonly keys: readonly string[]; readonly fields: Tree }[] {
  const keyed = at(tree, 'agents.entries')
  const listed = at(tree, 'agents.list')
  if (isTree(keyed)) {
    return Object.entries(keyed).map(([written, fields]) => ({
      id: personaId(written),
      keys: ['agents', 'entries', written],
      fields: isTree(fields) ? fields : {},
    }))
  }
  if (!Array.isArray(listed)) return []
  return listed.flatMap((fields: unknown, i) =>
    isTree(fields) && typeof fields['id'] === 'string'
      ? [{ id: personaId(fields['id']), keys: ['agents', 'list', String(i)], fields }]
      : [],
  )
}

const MODEL_KEYS = new Set(['model', 'primary', 'fallbacks', 'imageModel', 'pdfModel'])

/** What one value stands on, by the keys that lead to it. */
export function needsOf(
  value: unknown,
  keys: readonly string[],
): readonly (readonly [What, string])[] {
  const found: (readonly [What, string])[] = []
  if (isTree(value) && typeof value['source'] === 'string' && typeof value['id'] === 'string') {
    const { source, id, provider } = value
    if (source === 'env') found.push(['variable', String(id)])
    else if (source === 'store') found.push(['secrets', `store/${String(id)}`])
    else if (typeof provider === 'string') found.push(['secrets', provider])
  }
  if (typeof value !== 'string') return found
  for (const [, escaped, name = ''] of value.matchAll(/(\$?)\$\{([A-Z_][A-Z0-9_]*)\}/g)) {
    if (escaped === '') found.push(['variable', name])
  }
  const key = keys.findLast((one) => !/^\d+$/.test(one)) ?? ''
  const model = MODEL_KEYS.has(key) ? modelIn(value) : undefined
  if (model !== undefined) found.push(...model)
  return found
}

/** `provider/model`, or `provider/model@profile`. */
export function modelIn(text: string): readonly (readonly [What, string])[] | undefined {
  const match = /^([a-z0-9][\w.-]*)\/[^\s@]+(?:@([\w.-]+:[\w.@-]+))?$/i.exec(text)
  if (match === null) return undefined
  const [, provider = '', profile] = match
  return profile === undefined
    ? [['provider', provider]]
    : [
        ['provider', provider],
        ['credential', profile],
      ]
}
