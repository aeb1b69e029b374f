/** The configuration as operators compare it: as it is, but for what must not be read. */
import { isTree } from './tree.ts'

/** Stands for a secret; says nothing of it, not even whether two are the same. */
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

export const viewOf = (config: unknown): unknown => shown(config, '', false)

function shown(value: unknown, key: string, free: boolean): unknown {
  if (typeof value === 'string') return text(value, key, free)
  if (Array.isArray(value)) return list(value, key, free)
  if (isTree(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, shown(inner, name, FREE_MAPS.has(key))]),
    )
  }
  if (typeof value === 'bigint' || typeof value === 'function' || value === undefined) return null
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** In a command line a secret stands after its flag, in the same word or the next one. */
function list(items: readonly unknown[], key: string, free: boolean): readonly unknown[] {
  return items.map((item, i) => {
    const before = items[i - 1]
    if (typeof before === 'string' && SECRET_FLAG.test(before) && !before.includes('='))
      return HIDDEN
    if (typeof item === 'string' && SECRET_FLAG.test(item) && item.includes('=')) {
      return `${item.slice(0, item.indexOf('=') + 1)}${HIDDEN}`
    }
    return shown(item, key, free)
  })
}

function text(value: string, key: string, free: boolean): string {
  // Names of variables and of files that hold a secret are no secret.
  if (/^\$\{[A-Z_][A-Z0-9_]*\}$/.test(value) || value === '') return value
  if (isSecretKey(key) || SECRET_VALUE.test(value)) return HIDDEN
  if (free && !isHarmless(value)) return HIDDEN
  return value
    .replace(/\/\/[^/@\s]*:[^/@\s]*@/g, `//${HIDDEN}@`)
    .replace(/([?&][\w-]*(?:token|key|secret|sig)[\w-]*=)[^&#\s]+/gi, `$1${HIDDEN}`)
}

const isSecretKey = (key: string): boolean => SECRET_KEY.test(key) && !HARMLESS_KEY.test(key)

const isHarmless = (value: string): boolean =>
  /^(?:~?\/[^\s:@]*|true|false|\d{1,5}|[a-z]{1,12}|https?:\/\/(?:127\.0\.0\.1|localhost)[^@?]*)$/.test(
    value,
  )
