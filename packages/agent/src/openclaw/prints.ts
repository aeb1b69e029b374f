/**
 * Fingerprints of what only one node at a time may go by: a bot that two gateways poll, a device key, an account of a
 * channel. They are made where the thing is read, so that nothing of it is remembered.
 */
import type { FingerprintKind } from '@ocm/protocol'
import type { Captured } from '../installation.port.ts'
import type { CapturedFiles } from './captured-files.ts'
import { isBotToken } from './bot-tokens.ts'
import type { Sight } from './sight.ts'
import { type Tree, at, isTree, textAt, treeAt } from './tree.ts'
import { HIDDEN, type Mark } from './view.ts'

/** @returns 16 bytes in hexadecimal; '' when the node has no key for it. */
export type Print = (kind: FingerprintKind | 'secret', value: string) => string
export type Printed = readonly [kind: FingerprintKind, print: string]

export const noPrint: Print = () => ''

/** For secrets that are compared and not looked at for twins: 32 bits are enough to see a difference. */
export const markWith =
  (print: Print): Mark =>
  (secret) =>
    `${HIDDEN}${print('secret', secret).slice(0, 8)}`

/** What a configuration says of channels that are on. */
export interface ConfigPrints {
  readonly prints: readonly Printed[]
  /** Variables that hold a token of a channel, whatever they are called. */
  readonly variables: readonly string[]
  /** Absolute paths of files that hold one. */
  readonly files: readonly string[]
}

const TOKEN =
  /^(?:token|botToken|appToken|userToken|accessToken|channelAccessToken|appSecret|appPassword)$/
const ACCOUNT = /^(?:account|accountId|userId|phoneNumber|botId|appId)$/
const FILE = /^(?:tokenFile|serviceAccountFile)$/
/** A shorter one is a placeholder. */
const SHORTEST = 8

export function printsInConfig(tree: Tree, print: Print): ConfigPrints {
  const found = { prints: [] as Printed[], variables: [] as string[], files: [] as string[] }
  const look = (channel: string, value: Tree): void => {
    if (value['enabled'] === false) return
    for (const [key, inner] of Object.entries(value)) {
      if (TOKEN.test(key)) token(inner)
      else if (typeof inner === 'string' && inner !== '' && ACCOUNT.test(key)) {
        found.prints.push(['channel-account', print('channel-account', `${channel}:${inner}`)])
      } else if (typeof inner === 'string' && FILE.test(key)) found.files.push(inner)
      if (isTree(inner)) look(channel, inner)
    }
  }
  const token = (value: unknown): void => {
    const variable =
      typeof value === 'string'
        ? /^\$\{([A-Z_][A-Z0-9_]*)\}$/.exec(value)?.[1]
        : at(value, 'source') === 'env'
          ? textAt(value, 'id')
          : undefined
    if (variable !== undefined) found.variables.push(variable)
    else if (typeof value === 'string') found.prints.push(...tokenPrint(value, print))
  }
  for (const [channel, value] of Object.entries(treeAt(tree, 'channels'))) {
    if (isTree(value)) look(channel, value)
  }
  for (const [name, value] of Object.entries(treeAt(tree, 'env.vars'))) {
    if (isBotToken(name) && typeof value === 'string')
      found.prints.push(...tokenPrint(value, print))
  }
  return found
}

const tokenPrint = (value: string, print: Print): readonly Printed[] =>
  value.length < SHORTEST ? [] : [['bot-token', print('bot-token', value)]]

/** As a value of a variable, or as all that a file holds. */
export const printOfToken = (value: string, print: Print): string =>
  tokenPrint(value.trim(), print)[0]?.[1] ?? ''

/** The account that a pairing with a phone is of; '' when the file does not say. */
export function printOfPairing(channel: string, pairing: unknown, print: Print): string {
  const account = textAt(pairing, 'me.id') ?? textAt(pairing, 'signedIdentityKey.public')
  // What stands behind a colon is the number of the linked device.
  return account === undefined
    ? ''
    : print('channel-account', `${channel}:${account.replace(/:\d+(?=@)/, '')}`)
}

const PAIRING = /(?:^|\/)(?:credentials\/)?whatsapp\/(?:[^/]+\/)?creds\.json$/

/** All of a node, sorted, each once. */
export function printsOf(
  { config, told }: Pick<Sight, 'config' | 'told'>,
  captured: Captured,
  files: CapturedFiles,
): readonly Printed[] {
  const { prints, variables, files: tokenFiles } = config.prints
  const found: Printed[] = [...prints]
  const named = new Set(variables)
  for (const [name, print] of told('assigned', { root: 'state', path: '.env' }) ?? []) {
    if (isBotToken(name) || named.has(name)) found.push(['bot-token', print])
  }
  for (const absolute of tokenFiles) {
    const place = files.placeOf(absolute)
    if (place !== undefined) found.push(['bot-token', told('token', place) ?? ''])
  }
  found.push(['device-key', told('device', { root: 'state', path: 'identity/device.json' }) ?? ''])
  for (const { kind, place } of captured.entries()) {
    if (kind !== 'file' || !PAIRING.test(place.path)) continue
    found.push(['channel-account', told('pairing', place) ?? ''])
  }
  return found
}

/** Without those that are missing, sorted, each once. */
export const sorted = (found: readonly Printed[]): readonly Printed[] =>
  [...new Map(found.filter(([, print]) => print !== '').map((one) => [one.join(' '), one]))]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, one]) => one)
