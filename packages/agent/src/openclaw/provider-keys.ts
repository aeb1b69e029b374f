/**
 * Keys of providers that stand in the configuration, in variables and in files that the configuration takes secrets from:
 * a clone gets them only when that is chosen. What a node or a channel is known by is in identity.ts.
 */
import { isChannelVariable } from './identity.ts'
import { type Tree, isTree, treeAt } from './tree.ts'
import { viewOf, HIDDEN } from './view.ts'

const KEY =
  /(?:token|secret|password|passphrase|(?:private|api|app|access|signing|encrypt|aes|recovery)key|credentials)$/i
const HEADER = /^(?:(?:proxy-)?authorization|cookie|(?:x-)?[\w-]*(?:key|token|secret))$/i
const VARIABLE =
  /(?:^|_)(?:(?:API_?|ACCESS_?|PRIVATE_?)?KEYS?|TOKENS?|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|PASS|PAT)(?:_[A-Z]|_?\d+)?$/i

/** By its name a variable that holds the key of a provider, and not who this node is. */
export const isKeyVariable = (name: string): boolean =>
  VARIABLE.test(name) && !isChannelVariable(name) && !name.startsWith('OPENCLAW_')

/** Decided elsewhere: channels, profiles, the gateway's own; and where secrets come from, which is no secret. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'channels',
  'auth',
  'secrets',
  'meta',
  'wizard',
  'gateway.auth',
  'hooks.token',
])

/** References to secrets that travel with the node; a program that is asked for them has its own. */
export const isReference = (value: unknown): boolean =>
  isTree(value) &&
  typeof value['id'] === 'string' &&
  ['env', 'file', 'store'].includes(String(value['source']))

export const withoutKeys = (config: Tree): Tree => visit(config, () => undefined)

/** How many `withoutKeys` takes. */
export function countKeys(config: Tree): number {
  let n = 0
  visit(config, () => n++)
  return n
}

/** How many texts look like secrets, and stay: on command lines, in addresses, in fields that OCM does not know. */
export function countUnsure(config: Tree): number {
  const { channels: _, auth: __, gateway: ___, hooks: ____, ...rest } = withoutKeys(config)
  return unsureIn(rest)
}

/** Each by itself: in a map of free names everything would be hidden, whatever it is called. */
const unsureIn = (tree: Tree): number =>
  Object.entries(tree).reduce(
    (sum, [name, inner]) =>
      sum + (isTree(inner) ? unsureIn(inner) : hiddenIn(viewOf({ [name]: inner }))),
    0,
  )

function hiddenIn(value: unknown): number {
  if (typeof value === 'string') return value.includes(HIDDEN) ? 1 : 0
  if (Array.isArray(value)) return value.reduce<number>((sum, one) => sum + hiddenIn(one), 0)
  return isTree(value) ? hiddenIn(Object.values(value)) : 0
}

/** Paths, as they are written, of the files that secrets are read from. */
export const secretFilesIn = (config: Tree): readonly string[] =>
  Object.values(treeAt(config, 'secrets.providers')).flatMap((provider) =>
    isTree(provider) && typeof provider['path'] === 'string' ? [provider['path']] : [],
  )

/** @param named as `secretFilesIn` gives them. @param files absolute paths of all there are */
export function filesNamed(
  named: readonly string[],
  files: readonly string[],
  home: string,
): readonly string[] {
  const wanted = new Set(named.map((one) => one.replace(/^~(?=\/)/, home)))
  return files.filter((file) => wanted.has(file))
}

function visit(config: Tree, taken: () => void): Tree {
  const inside = (value: unknown, path: string, key: string): unknown => {
    if (Array.isArray(value)) return value.map((one) => inside(one, path, key))
    if (!isTree(value)) return value
    const out: Record<string, unknown> = {}
    for (const [name, inner] of Object.entries(value)) {
      const at = path === '' ? name : `${path}.${name}`
      if (ELSEWHERE.has(at)) out[name] = inner
      else if (isKey(name, inner, key)) taken()
      else out[name] = inside(inner, at, name)
    }
    return out
  }
  return inside(config, '', '') as Tree
}

/** @param around the name of the map that it stands in */
function isKey(name: string, value: unknown, around: string): boolean {
  if (isReference(value)) return true
  // How a request shows who asks is one thing: without its token it would not be valid.
  if (name === 'auth' && around === 'request') return isTree(value)
  if (typeof value !== 'string' || value === '') return false
  if (around === 'env' || around === 'vars') return isKeyVariable(name)
  return around === 'headers' ? HEADER.test(name) : KEY.test(name)
}
