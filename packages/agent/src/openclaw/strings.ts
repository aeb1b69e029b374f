/**
 * Looking at every string of a source, and changing it on the way. Reading mentions and rewriting a staged tree walk
 * the same way with another `visit`, so that nothing is found that is not rewritten, and nothing is rewritten unseen.
 */
import { type Mention, type RewriteRule, type Section, pathsIn, rootOfPath } from '@ocm/protocol'

/** A string in which something of this node stands, and what is known of its place. */
export interface Spot {
  /** Where inside its entry: a JSON pointer, `table.column key`, a line. */
  readonly at: string
  readonly section: Section
  readonly kind: Mention['kind']
  readonly class: Mention['class']
  readonly text: string
  /** The root of the first path in it; '' when it is a path under none. */
  readonly under: string
  /** It stands among credentials: only the paths in it may be shown. */
  readonly secret: boolean
  /** It is one path and nothing else, so that a space or a comma in it is part of a name. */
  readonly exact: boolean
  /** It has to be there. */
  readonly needed?: boolean
}

/** One pass over the sources of a node. */
export interface Walk {
  /** What makes a string a mention: the roots of the layout that the sources were written under. */
  readonly rules: readonly RewriteRule[]
  readonly hostname: string
  /** The gateway's port in that layout. */
  readonly port: number
  /** @returns what is to stand there: the text itself when nothing is to change. */
  visit(spot: Spot): string
}

/**
 * What a string is taken for. `path`: it is one path. `structured`: it holds paths, or a machine reads it. Of both, a
 * path under no root is told too.
 * `derived`: the same, but OpenClaw finds paths under no root anew by itself. `prose`: for people or models. `paths`: a
 * path if it is one whole, and otherwise nobody's business. `guess`: unknown if it is one path whole, else prose.
 * `loose`: unknown, however the path stands in it. `skip`: not looked at. `needed`: structured, and what it names has to
 * be there. `program`: needed, and a bare name is told too.
 */
export type As =
  | 'path'
  | 'structured'
  | 'needed'
  | 'program'
  | 'derived'
  | 'prose'
  | 'paths'
  | 'guess'
  | 'loose'
  | 'skip'

const CLASS: Readonly<Record<Exclude<As, 'guess' | 'skip'>, Mention['class']>> = {
  path: 'structured',
  structured: 'structured',
  needed: 'structured',
  program: 'structured',
  derived: 'structured',
  paths: 'structured',
  prose: 'prose',
  loose: 'unknown',
}

export interface Place {
  readonly at: string
  readonly section: Section
  readonly secret?: boolean
  /** What is named here has to be there. */
  readonly needed?: boolean
}

const TELLS_FOREIGN: ReadonlySet<As> = new Set(['path', 'structured', 'needed', 'program'])

export function visitText(walk: Walk, place: Place, as: As, text: string): string {
  if (as === 'skip' || text === '') return text
  const exact = as === 'path'
  const needed = as === 'needed' || as === 'program' || place.needed === true
  const spot = {
    ...place,
    kind: 'path',
    text,
    secret: place.secret ?? false,
    exact,
    needed,
  } as const
  if (as === 'program' && isBareName(text)) {
    return walk.visit({ ...spot, kind: 'command', class: 'structured', under: '' })
  }
  const under = exact ? rootOfPath(text, walk.rules) : pathsIn(text, walk.rules)[0]?.root
  if (under === undefined) {
    if (TELLS_FOREIGN.has(as) && !spot.secret && isForeignPath(text)) {
      return walk.visit({ ...spot, class: 'structured', under: '' })
    }
    return text
  }
  const whole = /^[/~]/.test(text) && isOnePath(text)
  if (as === 'paths' && !whole) return text
  const guessed = whole ? 'unknown' : 'prose'
  return walk.visit({ ...spot, class: as === 'guess' ? guessed : CLASS[as], under })
}

/** A program that is found by its name. */
const isBareName = (text: string): boolean => /^[A-Za-z][\w.+-]{0,63}$/.test(text)

/** A path is all of the text: no second one stands behind it, and no flags. */
const isOnePath = (text: string): boolean => !/[\n\r\t]| [-/~]/.test(text)

/** An absolute path of at least two names. One name is more often a part of a URL. */
const isForeignPath = (text: string): boolean =>
  /^\/[^/\s:?*"'<>|]+(?:\/[^/\n:?*"'<>|]+)+\/?$/.test(text)

/** @returns the value itself when nothing in it changed. Keys that are one path are visited too. */
export const visitTree = (
  walk: Walk,
  place: Place,
  as: (keys: readonly string[]) => As,
  value: unknown,
): unknown =>
  mapStrings(value, {
    text: (text, keys) =>
      visitText(walk, { ...place, at: place.at + pointer(keys) }, as(keys), text),
    key: (key, keys) => {
      const at = `${place.at}${pointer(keys)} (key)`
      return as(keys) === 'skip' ? key : visitText(walk, { ...place, at }, 'paths', key)
    },
  })

/** How strings of a value change; `keys` lead to the string, or end in the key. */
export interface StringMap {
  text(text: string, keys: readonly string[]): string
  key?(key: string, keys: readonly string[]): string
}

/** @returns the value itself when nothing in it changed. */
export function mapStrings(value: unknown, map: StringMap, keys: readonly string[] = []): unknown {
  if (typeof value === 'string') return map.text(value, keys)
  if (Array.isArray(value)) {
    const items = value.map((item, i) => mapStrings(item, map, [...keys, String(i)]))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  if (typeof value !== 'object' || value === null) return value
  let changed = false
  const entries = Object.entries(value).map(([key, inner]) => {
    const inside = [...keys, key]
    const named = map.key !== undefined && /^[/~]/.test(key) ? map.key(key, inside) : key
    const became = mapStrings(inner, map, inside)
    changed ||= named !== key || became !== inner
    return [named, became] as const
  })
  return changed ? Object.fromEntries(entries) : value
}

/** RFC 6901. */
export const pointer = (keys: readonly string[]): string =>
  keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/**
 * The strings of a JSON text, each in its place, so that everything around them stays as it was written.
 * A text that is not JSON is visited the same way: what stands in double quotes is looked at.
 */
export function visitJsonText(walk: Walk, place: Place, as: As, text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"/g, (literal, index: number) => {
    const value = stringOf(literal)
    if (value === undefined) return literal
    const at = `${place.at}line ${text.slice(0, index).split('\n').length}`
    const became = visitText(walk, { ...place, at }, as, value)
    return became === value ? literal : JSON.stringify(became)
  })
}

function stringOf(literal: string): string | undefined {
  try {
    return JSON.parse(literal) as string
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The lines of a text, each with its own place. A long line is shown around its first path only. */
export function visitLines(walk: Walk, place: Place, as: As, text: string): string {
  if (pathsIn(text, walk.rules).length === 0) return text
  return text
    .split('\n')
    .map((line, i) => visitText(walk, { ...place, at: `${place.at}line ${i + 1}` }, as, line))
    .join('\n')
}
