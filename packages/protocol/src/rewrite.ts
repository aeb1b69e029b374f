/**
 * How a text that names places on one node comes to name the same places on another.
 *
 * A rule matches only a whole path or the beginning of one: `/home/al` is found in `--dir=/home/al/x`, `"/home/al"`,
 * `file:///home/al` and `PATH=/a:/home/al/bin`, and not in `/home/alice`, `/home/al-2`, `/mnt/home/al` or
 * `backup@nas:/home/al`. A path is also found percent-encoded, with its slashes or letters escaped as in JSON, and as
 * `~/…`, which is changed only where `~` would resolve to another place on the target.
 */
import { type Layout, pathToBytes } from './layout.ts'
import type { RewriteRule } from './plan.ts'

/** One path that stands in a text. */
export interface PathInText {
  /** The root whose rule matched. */
  readonly root: string
  /** First letter of the match in the text, and the match itself: the part that the rule names. */
  readonly index: number
  readonly match: string
}

/**
 * What to replace in texts when files of `from` are to live at `to`, longest prefix first.
 * A root that stays where it was is a rule too: it shields its paths from the rule of a root around it.
 */
export function rulesBetween(
  from: Pick<Layout, 'roots'>,
  to: Pick<Layout, 'roots'>,
): readonly RewriteRule[] {
  return Object.entries(from.roots)
    .flatMap(([root, was]) => {
      const becomes = to.roots[root]
      return becomes === undefined ? [] : [{ root, was, becomes }]
    })
    .toSorted((a, b) => b.was.length - a.was.length || (a.root < b.root ? -1 : 1))
}

/** True when applying these rules changes nothing. */
export const changesNothing = (rules: readonly RewriteRule[]): boolean =>
  rules.every(({ was, becomes }) => was === becomes)

/** Replaces every path in `text` that a rule names, in one pass: what was written is not looked at again. */
export function rewriteText(text: string, rules: readonly RewriteRule[]): string {
  let out = ''
  let at = 0
  for (const { index, match, to } of matchesOf(text, rules)) {
    out += text.slice(at, index) + to
    at = index + match.length
  }
  return at === 0 ? text : out + text.slice(at)
}

/**
 * Replaces a value that is one path and nothing else. Unlike in a text, a space, a quote or a comma is part of a name
 * here, so `/home/al 2` is not taken for `/home/al`.
 */
export function rewritePath(path: string, rules: readonly RewriteRule[]): string {
  for (const { find, put } of wholePaths(rules)) {
    if (path === find) return put
    if (path.startsWith(`${find}/`)) return join(put, path.slice(find.length))
  }
  return path
}

/**
 * Where a place is to be named on the target that the source did not have to name.
 * @param implied the directory around it that it is found from; '' when only the process was told of it
 * @returns undefined when it is found there as it was
 */
export function placeToName(
  place: { readonly text: string; readonly implied: string },
  rules: readonly RewriteRule[],
  kind: 'restore' | 'move' | 'clone',
): string | undefined {
  const { text, implied } = place
  const to = rewritePath(text, rules)
  if (implied === '') return kind === 'restore' && to === text ? undefined : to
  const rest = text.slice(implied === '/' ? 0 : implied.length)
  return to === join(rewritePath(implied, rules), rest) ? undefined : to
}

/** The root that `path`, one path and nothing else, lies under. */
export const rootOfPath = (path: string, rules: readonly RewriteRule[]): string | undefined =>
  wholePaths(rules).find(({ find }) => path === find || path.startsWith(`${find}/`))?.root

/** Every path of `text` that `rewriteText` would look at with these rules. */
export const pathsIn = (text: string, rules: readonly RewriteRule[]): readonly PathInText[] =>
  matchesOf(text, rules)

/**
 * Short texts of which at least one stands in every text that `pathsIn` finds something in, for looking through much
 * that holds nothing. The reverse does not hold. None when these rules find nothing anywhere.
 */
export function marksOf(rules: readonly RewriteRule[]): readonly string[] {
  const all = (matcherOf(rules)?.spellings ?? []).flatMap((spelled) => {
    // Up to the first escape in a name; the slash before it may be one, with its letter in either case.
    const mark = /^~?(?:\/|%2F|\\\/)[^%\\]*/.exec(spelled)?.[0] ?? ''
    return [mark, mark.replace('%2F', '%2f')]
  })
  const marks = [...new Set(all)].toSorted((a, b) => a.length - b.length)
  return marks.filter((mark, i) => !marks.slice(0, i).some((shorter) => mark.includes(shorter)))
}

interface Replacement {
  readonly root: string
  readonly find: string
  readonly put: string
}

const join = (root: string, rest: string) => (root === '/' ? rest : root + rest)
const trimmed = (path: string) => (path.length > 1 ? path.replace(/\/+$/, '') : path)

const replacements = new WeakMap<readonly RewriteRule[], readonly Replacement[]>()

/** Absolute and `~` forms of the rules, longest first. A rule for `/` would match everything and is left out. */
function wholePaths(rules: readonly RewriteRule[]): readonly Replacement[] {
  const known = replacements.get(rules)
  if (known !== undefined) return known
  const absolute = rules
    .map(({ root, was, becomes }) => ({ root, find: trimmed(was), put: trimmed(becomes) }))
    .filter(({ find }) => find.startsWith('/') && find !== '/')
  const home = absolute.find(({ root }) => root === 'home')
  const tilde = absolute.flatMap(({ root, find, put }) => {
    if (!home || !find.startsWith(`${home.find}/`)) return []
    const nowInHome = put.startsWith(join(home.put, '/'))
    const short = '~/' + put.slice(join(home.put, '/').length)
    return [{ root, find: '~' + find.slice(home.find.length), put: nowInHome ? short : put }]
  })
  const made = [...absolute, ...tilde].toSorted((a, b) => b.find.length - a.find.length)
  replacements.set(rules, made)
  return made
}

/** One spelling of a path that is looked for. */
interface Spelled {
  readonly root: string
  readonly find: RegExp
  readonly put: string
  /** What is put behind `file://` and the like. */
  readonly encoded: string
}

/** The ways a path is spelled. A spelling that equals one before it is not looked for again. */
const SPELLINGS: readonly ((path: string) => string)[] = [
  (path) => path,
  (path) => percent(path, IN_URL),
  (path) => percent(path, /[A-Za-z0-9\-._~]/),
  (path) => JSON.stringify(path).slice(1, -1),
  (path) =>
    JSON.stringify(path)
      .slice(1, -1)
      .replaceAll('/', String.raw`\/`),
  (path) => asciiJson(path),
  (path) => path.replaceAll(' ', String.raw`\ `),
]
const IN_URL = /[A-Za-z0-9\-._~!$&'()*+,;=:@/]/

interface Matcher {
  /** Finds where one of the spellings may begin. */
  readonly candidate: RegExp
  /** Longest first. */
  readonly spelled: readonly Spelled[]
  readonly spellings: readonly string[]
}

const matchers = new WeakMap<readonly RewriteRule[], Matcher | null>()

function matcherOf(rules: readonly RewriteRule[]): Matcher | null {
  const known = matchers.get(rules)
  if (known !== undefined) return known
  const bySpelling = new Map<string, Omit<Spelled, 'find'>>()
  for (const { root, find, put } of wholePaths(rules)) {
    for (const spell of SPELLINGS) {
      const spelled = spell(find)
      if (bySpelling.has(spelled)) continue
      bySpelling.set(spelled, { root, put: spell(put), encoded: percent(put, IN_URL) })
    }
  }
  const patterns = [...bySpelling]
    .toSorted(([a], [b]) => b.length - a.length)
    .map(([spelled, rest]) => ({ ...rest, source: toPattern(spelled) }))
  const made =
    patterns.length === 0
      ? null
      : {
          candidate: new RegExp(patterns.map(({ source }) => source).join('|'), 'g'),
          spelled: patterns.map((p) => ({ ...p, find: new RegExp(p.source, 'y') })),
          spellings: [...bySpelling.keys()],
        }
  matchers.set(rules, made)
  return made
}

interface Match extends PathInText {
  readonly to: string
}

function matchesOf(text: string, rules: readonly RewriteRule[]): readonly Match[] {
  const matcher = matcherOf(rules)
  if (!matcher) return []
  const { candidate, spelled } = matcher
  const matches: Match[] = []
  candidate.lastIndex = 0
  for (let found = candidate.exec(text); found; found = candidate.exec(text)) {
    const match = BEFORE.test(text.slice(Math.max(0, found.index - 300), found.index))
      ? matchAt(text, found.index, spelled)
      : undefined
    if (match) matches.push(match)
    candidate.lastIndex = match ? found.index + match.match.length : found.index + 1
  }
  return matches
}

/** The longest path at `index` that ends there as a name. */
function matchAt(text: string, index: number, spelled: readonly Spelled[]): Match | undefined {
  for (const { root, find, put, encoded } of spelled) {
    find.lastIndex = index
    const match = find.exec(text)?.[0]
    if (match === undefined) continue
    const end = index + match.length
    if (!AFTER.test(text.slice(end, end + 64))) continue
    if (/:\/{2,3}$/.test(text.slice(Math.max(0, index - 4), index))) {
      return { root, index, match, to: encoded }
    }
    // `/home/al/x` with `/home/al` becoming `/` is `/x`.
    const to = put === '/' && text[end] === '/' ? '' : put
    return { root, index, match, to }
  }
  return undefined
}

/** Letters that continue a name. All that is neither ASCII nor punctuation nor a space is one, stray bytes included. */
const NAME = String.raw`\p{L}\p{N}\p{M}\p{So}\p{Cs}\p{Co}_\-~%@+`

/** The text before a path: not a longer path or name. A scheme's slashes, a flag's letter, `\n` and `%3D` may be. */
const BEFORE = new RegExp(
  [
    // `backup@nas:` begins a path of another machine
    String.raw`(?<![\w.\-]@[\w.\-]+:)`,
    String.raw`(?:(?<![\p{L}\p{N}\p{M}\p{So}\p{Cs}\p{Co}_\-~%+.)\]}/\\])`,
    String.raw`|:\/{2,3}|(?:^|[\s"'])-[A-Za-z]|\\[nrt]`,
    String.raw`|%(?:20|22|26|27|28|2[Cc]|3[ABDabd]|0[AaDd])|%3[Aa]%2[Ff]%2[Ff])$`,
  ].join(''),
  'u',
)

/** The text after it: the end, a slash, or what is in no name. A full stop at the end of a sentence is in none either. */
const AFTER = new RegExp(
  [
    String.raw`^(?!\\ |\$[A-Za-z_{(]|\{)`,
    String.raw`(?:$|[^${NAME}.]|\.+(?:$|[^${NAME}./])`,
    String.raw`|%(?:2[Ff]|22|26|27|29|2[Cc]|3[ABDFabdf]|5[Dd]|7[CDcd]|0[AaDd]|23))`,
  ].join(''),
  'u',
)

/** The letters of an escape stand in either case. */
const toPattern = (spelled: string) =>
  spelled
    .replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
    .replace(/%[0-9A-F]{2}|\\\\u[0-9A-F]{4}/g, (code) =>
      code.replace(/[A-F]/g, (letter) => `[${letter}${letter.toLowerCase()}]`),
    )

function percent(path: string, plain: RegExp): string {
  if (path.startsWith('~/')) return '~' + percent(path.slice(1), plain)
  let text = ''
  for (const byte of pathToBytes(path)) {
    const letter = String.fromCharCode(byte)
    text += plain.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

const asciiJson = (path: string) =>
  JSON.stringify(path)
    .slice(1, -1)
    .replace(
      /[^\0-\x7f]/g,
      (unit) => String.raw`\u` + unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0'),
    )
