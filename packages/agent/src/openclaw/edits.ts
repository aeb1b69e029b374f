/** What changes in the files of a staged tree beside paths: the gateway's port, its token, and what a clone leaves behind. */
import { randomBytes } from 'node:crypto'
import { leavesApiKeys } from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import type { EditAssignment } from './env-file.ts'
import { type FileEdits, type SourceFile, configurationOf } from './file-strings.ts'
import { configWithoutIdentity, isChannelVariable, withoutLogins } from './identity.ts'
import {
  countKeys,
  filesNamed,
  isKeyVariable,
  isReference,
  secretFilesIn,
  withoutKeys,
} from './provider-keys.ts'
import { parsed } from './salvage.ts'
import { type Tree, at, isTree, treeAt } from './tree.ts'
import { namingsFor, withNamings } from './unnamed-workspaces.ts'

export function editsFor(
  staged: Staged,
  files: readonly SourceFile[],
  count: (what: string, n: number) => void,
): FileEdits {
  const { choices } = staged
  const left = leavesApiKeys(choices) ? 'all' : 'oauth'
  const found = configurationOf(files).map((part) => {
    return { ...part, tree: wrap(part.prefix, parsed(part.text)) }
  })
  const parts = found.map(({ tree }) => tree)
  const namings = namingsFor(staged, files, found)
  count('workspaces named', namings.length)
  const somewhere = (path: string) => parts.some((part) => at(part, path) !== undefined)
  // One that is read from what stays behind has nowhere to come from.
  const dangles = parts.some((part) =>
    ['gateway.auth.token', 'gateway.auth.password', 'hooks.token'].some((path) =>
      isReference(at(part, path)),
    ),
  )
  const isNew = choices.gatewayToken === 'new' || (left === 'all' && dangles)
  const fresh = isNew ? newSecrets(somewhere) : []
  const secrets = new Set(
    left === 'all'
      ? filesNamed(
          parts.flatMap((part) => (isTree(part) ? secretFilesIn(part) : [])),
          files.map(({ absolute }) => absolute),
          staged.from.roots['home'] ?? '',
        )
      : [],
  )

  const config = (whole: Tree, isMain: boolean): Tree => {
    let tree = whole
    const setsPort =
      at(tree, 'gateway.port') !== undefined ||
      (isMain && !somewhere('gateway.port') && staged.port !== staged.from.port)
    if (setsPort && staged.port !== 0) tree = put(tree, 'gateway.port', staged.port)
    for (const { path, secret } of fresh) {
      if (at(tree, path) === undefined && (!isMain || somewhere(path))) continue
      tree = put(tree, path, secret)
      count('gateway secrets made new', 1)
    }
    if (choices.kind !== 'clone') return tree
    count('channels switched off', Object.keys(treeAt(tree, 'channels')).length)
    const own = configWithoutIdentity(tree, left)
    if (left === 'oauth') return own
    count('keys of providers left behind', countKeys(own))
    return withoutKeys(own)
  }

  const env: EditAssignment = ({ name, value }) => {
    const leaves =
      (choices.kind === 'clone' && isChannelVariable(name)) ||
      (left === 'all' && isKeyVariable(name)) ||
      (choices.gatewayToken === 'new' && /^OPENCLAW_GATEWAY_(?:TOKEN|PASSWORD)$/.test(name))
    if (!leaves) return value
    count('variables commented out', 1)
    return null
  }

  return {
    config(value, prefix) {
      const whole = wrap(prefix, value)
      if (!isTree(whole)) return value
      const named = withNamings(whole, prefix.length, namings)
      return unwrap(prefix, config(named, prefix.length === 0))
    },
    env,
    instead(file) {
      if (!secrets.has(file.absolute)) return undefined
      count('files of secrets emptied', 1)
      return /\.json5?$/.test(file.place.path) ? '{}\n' : ''
    },
    json(value, place) {
      const isModels = left === 'all' && /^agents\/[^/]+\/agent\/models\.json$/.test(place.path)
      if (isModels && isTree(value)) return withoutKeys(value)
      const isStore = choices.kind === 'clone' && /(?:^|\/)auth[^/]*\.json$/.test(place.path)
      return isStore && isTree(value) ? withoutLogins(value, 'type', left) : value
    },
  }
}

interface Fresh {
  readonly path: string
  readonly secret: string
}

/** The token is made even where there was none in the configuration: it may have come from a variable. */
function newSecrets(somewhere: (path: string) => boolean): readonly Fresh[] {
  const password = somewhere('gateway.auth.password') && !somewhere('gateway.auth.token')
  const paths = [
    password ? 'gateway.auth.password' : 'gateway.auth.token',
    ...['hooks.token'].filter(somewhere),
  ]
  return paths.map((path) => ({ path, secret: randomBytes(24).toString('base64url') }))
}

/** What an included file holds, as a part of the whole. */
const wrap = (prefix: readonly string[], value: unknown): unknown =>
  prefix.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value)

const unwrap = (prefix: readonly string[], whole: Tree): unknown =>
  prefix.reduce<unknown>((inner, key) => (isTree(inner) ? inner[key] : undefined), whole)

function put(tree: Tree, path: string, value: unknown): Tree {
  const [key = '', ...rest] = path.split('.')
  const inner = tree[key]
  const becomes = rest.length === 0 ? value : put(isTree(inner) ? inner : {}, rest.join('.'), value)
  return { ...tree, [key]: becomes }
}
