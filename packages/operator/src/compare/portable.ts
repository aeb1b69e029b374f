/**
 * One node's texts in a form that does not say where that node lies: its own directories as roots, its own port and host
 * as such. What is equal in this form is no difference between two nodes, and what is equal as it stands is none either.
 */
import {
  type Layout,
  type Manifest,
  type RewriteRule,
  rewritePath,
  rewriteText,
  rulesBetween,
} from '@ocm/protocol'

export interface Side {
  readonly manifest: Manifest
  portable(text: string): string
}

const OWN_PORT = '{port}'
const OWN_HOST = '{host}'
/** A shorter name may be a word. */
const SHORTEST_HOST = 4

export function sideOf(manifest: Manifest): Side {
  const { layout } = manifest
  const rules = rulesToRoots(layout)
  const port = ownPort(layout)
  const host = ownHost(layout)
  return {
    manifest,
    portable(text) {
      const placed = isPath(text) ? placedPath(text, rules) : rewriteText(text, rules)
      return withPort(host === undefined ? placed : placed.replace(host, OWN_HOST), port)
    },
  }
}

/** Each root becomes its own name, `workspace:main/notes` for what lies in it. */
const rulesToRoots = (layout: Layout): readonly RewriteRule[] =>
  rulesBetween(layout, {
    roots: Object.fromEntries(Object.keys(layout.roots).map((root) => [root, `{${root}}`])),
  })

/** One path and nothing else; `~` on its own is one too. */
const isPath = (text: string) => /^(?:\/|~(?:\/|$))/.test(text) && !/[\n,;:]/.test(text)

/** `~/x` and the whole path to it are one place. */
function placedPath(text: string, rules: readonly RewriteRule[]): string {
  const placed = rewritePath(text, rules)
  return placed === text && text.startsWith('~') ? `{home}${text.slice(1)}` : placed
}

const ownPort = ({ port }: Layout): RegExp | undefined =>
  port === 0 ? undefined : new RegExp(`^${port}$|(?<=:)${port}(?!\\d)`, 'g')

const withPort = (text: string, port: RegExp | undefined) =>
  port === undefined ? text : text.replace(port, OWN_PORT)

function ownHost({ hostname }: Layout): RegExp | undefined {
  if (hostname.length < SHORTEST_HOST || hostname === 'localhost') return undefined
  const literal = hostname.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
  return new RegExp(`(?<![\\w.-])${literal}(?![\\w-])`, 'g')
}

/** A secret without a fingerprint: whether it is the same is not known, and the dot says that it is there. */
const isUntold = (a: string, b: string): boolean =>
  (a === SECRET && b.startsWith(SECRET)) || (b === SECRET && a.startsWith(SECRET))
const SECRET = '•'

/** Line by line, because what people wrote may name an old place in one line and be moved along in another. */
export function sameText(a: string, b: string, [sideA, sideB]: readonly [Side, Side]): boolean {
  if (a === b || isUntold(a, b)) return true
  const [linesA, linesB] = [a.split('\n'), b.split('\n')]
  return (
    linesA.length === linesB.length &&
    linesA.every((line, n) => {
      const other = linesB[n] as string
      return line === other || sideA.portable(line) === sideB.portable(other)
    })
  )
}
