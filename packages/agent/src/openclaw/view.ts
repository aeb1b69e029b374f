/** The configuration as operators compare it: as it is, but for what must not be read. */
import { isTree } from './tree.ts'

/** Stands for a secret; on its own it says nothing of it, not even whether two are the same. */
export const HIDDEN = '•'

const SECRET_KEY =
  /(?:token|secret|passw|passphrase|api[-_]?key|private[-_]?key|access[-_]?key|signing[-_]?key|credential|authorization|cookie|webhook[-_]?url|(?:^|[-_.])(?:key|auth|pass|pin|pwd)$|Key$)/i
/** Fields whose names only sound like it. */
const HARMLESS_KEY = /(?:File|Path|Dir|Id|Mode|Tokens?Max|maxTokens|contextTokens|Budget)$/
/** Maps of free names to values, where a secret may go by any name. */
const FREE_MAPS = new Set(['vars', 'env', 'headers', 'queryParams'])
const SECRET_VALUE =
  /^(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abpr]|xapp|AKIA|AIza|ya29|eyJ)[-_A-Za-z0-9./+=]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY|\b\d{6,12}:[A-Za-z0-9_-]{30,}/
const SECRET_FLAG = /^--?[\w-]*(?:token|secret|passw|key|credential)[\w-]*(?:=|$)/i

/** What stands for a secret: a dot, or a dot and the beginning of a keyed fingerprint, so that two can be compared. */
export type Mark = (secret: string) => string
const noMark: Mark = () => HIDDEN

/** @param mark for secrets that may be the same on two nodes; tokens of channels never are. */
export const viewOf = (config: unknown, mark: Mark = noMark): unknown =>
  isTree(config)
    ? Object.fromEntries(
        Object.entries(config).map(([key, value]) => [
          key,
          shown(value, key, FREE_MAPS.has(key), ONE_OF_A_KIND.has(key) ? noMark : mark),
        ]),
      )
    : shown(config, '', false, mark)

/** The value of a variable. */
export const variableView = (name: string, value: string, mark: Mark): string =>
  text(value, name, true, mark)

/** Parts of a configuration in which a secret is what a node is known by. */
const ONE_OF_A_KIND: ReadonlySet<string> = new Set(['channels', 'gateway', 'hooks'])

function shown(value: unknown, key: string, free: boolean, mark: Mark): unknown {
  if (typeof value === 'string') return text(value, key, free, mark)
  if (Array.isArray(value)) return list(value, key, free, mark)
  if (isTree(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [
        name,
        shown(inner, name, FREE_MAPS.has(key), mark),
      ]),
    )
  }
  if (typeof value === 'bigint' || typeof value === 'function' || value === undefined) return null
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** In a command line a secret stands after its flag, in the same word or the next one. */
function list(
  items: readonly unknown[],
  key: string,
  free: boolean,
  mark: Mark,
): readonly unknown[] {
  return items.map((item, i) => {
    const before = items[i - 1]
    if (typeof before === 'string' && SECRET_FLAG.test(before) && !before.includes('='))
      return mark(String(item))
    if (typeof item === 'string' && SECRET_FLAG.test(item) && item.includes('=')) {
      const value = item.indexOf('=') + 1
      return `${item.slice(0, value)}${mark(item.slice(value))}`
    }
    return shown(item, key, free, mark)
  })
}

function text(value: string, key: string, free: boolean, mark: Mark): string {
  // Names of variables and of files that hold a secret are no secret.
  if (/^\$\{[A-Z_][A-Z0-9_]*\}$/.test(value) || value === '') return value
  if (isSecretKey(key) || SECRET_VALUE.test(value)) return mark(value)
  if (free && !isHarmless(value)) return mark(value)
  return value
    .replace(/\/\/[^/@\s]*:[^/@\s]*@/g, `//${HIDDEN}@`)
    .replace(/([?&][\w-]*(?:token|key|secret|sig)[\w-]*=)[^&#\s]+/gi, `$1${HIDDEN}`)
}

const isSecretKey = (key: string): boolean => SECRET_KEY.test(key) && !HARMLESS_KEY.test(key)

const isHarmless = (value: string): boolean =>
  /^(?:~?\/[^\s:@]*|true|false|\d{1,5}|[a-z]{1,12}|https?:\/\/(?:127\.0\.0\.1|localhost)[^@?]*)$/.test(
    value,
  )
