/** What a configuration lists, as names and counts: JSON, and no secret in it. */
import type { Tie } from '@ocm/protocol'
import { isBotToken } from './bot-tokens.ts'
import type { Config } from './config.ts'
import { tiesInConfig } from './graft/config-ties.ts'
import { configWithoutIdentity } from './identity.ts'
import { personaIdsOf, systemPersonaOf } from './personas.ts'
import { type ConfigPrints, type Print, markWith, noPrint, printsInConfig } from './prints.ts'
import { countKeys, countUnsure, isKeyVariable, secretFilesIn } from './provider-keys.ts'
import { at, findAll, isTree, treeAt } from './tree.ts'
import { assignmentsIn } from './variables.ts'
import { viewOf } from './view.ts'

export interface ConfigListing {
  /** False when there is no configuration. */
  readonly exists: boolean
  readonly personas: readonly string[]
  /** Who does what belongs to no persona in particular; '' when nobody is named. */
  readonly systemPersona: string
  readonly channels: readonly string[]
  readonly gatewaySecrets: number
  readonly botTokens: number
  /** Of providers: those that a clone leaves, and texts that look like some and stay. */
  readonly keys: number
  readonly unsure: number
  /** Files that secrets are read from, as they are written. */
  readonly secretFiles: readonly string[]
  readonly prints: ConfigPrints
  /** What its parts stand on and bring. */
  readonly ties: readonly Tie[]
  /** For people to compare. */
  readonly view: unknown
}

export const listConfig = ({ tree, files }: Config, print: Print = noPrint): ConfigListing => ({
  exists: files.length > 0,
  personas: personaIdsOf(tree),
  systemPersona: systemPersonaOf(tree),
  channels: channelsIn(tree),
  gatewaySecrets: ['token', 'password'].filter(
    (field) => typeof treeAt(tree, 'gateway.auth')[field] === 'string',
  ).length,
  botTokens: botTokensIn(tree),
  keys: countKeys(configWithoutIdentity(tree, 'all')),
  unsure: countUnsure(tree),
  secretFiles: secretFilesIn(tree),
  prints: printsInConfig(tree, print),
  ties: tiesInConfig(tree),
  view: viewOf(tree, markWith(print)),
})

function channelsIn(tree: Config['tree']): readonly string[] {
  const notChannels = new Set(['defaults', 'modelByChannel'])
  return Object.entries(treeAt(tree, 'channels'))
    .filter(([name, value]) => !notChannels.has(name) && isTree(value))
    .flatMap(([name, value]) => {
      const accounts = Object.keys(treeAt(value, 'accounts'))
      return accounts.length === 0 ? [name] : accounts.map((account) => `${name}/${account}`)
    })
}

/** How many assignments of a dotenv text are of a bot token. */
export const botTokensInEnv = (text: string): number =>
  assignmentsIn(text).filter(([name]) => isBotToken(name)).length

/** How many are of the key of a provider. */
export const keysInEnv = (text: string): number =>
  assignmentsIn(text).filter(([name, value]) => value !== '' && isKeyVariable(name)).length

function botTokensIn(tree: Config['tree']): number {
  const inVars = Object.keys(treeAt(tree, 'env.vars')).filter(isBotToken)
  const inChannels = findAll(at(tree, 'channels'), '**').filter(
    ({ value, keys }) =>
      /(?:token|secret|password)$/i.test(keys.at(-1) ?? '') &&
      ((typeof value === 'string' && value !== '') || (isTree(value) && 'source' in value)),
  )
  return inVars.length + inChannels.length
}
