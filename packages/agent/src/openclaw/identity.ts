/**
 * What a clone does not get: who the original is, whom it knows and in whose name it speaks. Two nodes with one bot
 * token answer twice; two with one OAuth login log each other out.
 */
import type { DatabaseSync } from 'node:sqlite'
import { countOf, hasTable } from './databases.ts'
import { type DatabaseRole, IDENTITY_STATE_KEYS } from './rows.ts'
import { type Tree, isTree } from './tree.ts'

/** Channels as they are called in the configuration, by their plugins and at the beginning of their variables. */
const CHANNELS = [
  'a2a',
  'bluebubbles',
  'buzz',
  'clickclack',
  'dingtalk',
  'discord',
  'feishu',
  'googlechat',
  'imessage',
  'irc',
  'kakao',
  'lark',
  'line',
  'matrix',
  'mattermost',
  'msteams',
  'nextcloud-talk',
  'nostr',
  'qqbot',
  'raft',
  'reef',
  'signal',
  'slack',
  'sms',
  'synology-chat',
  'telegram',
  'tlon',
  'twilio',
  'twitch',
  'voice-call',
  'webex',
  'wechat',
  'wecom',
  'whatsapp',
  'zalo',
  'zalouser',
]

const PREFIXES = [
  ...CHANNELS.filter((name) => name !== 'line').map((name) =>
    name.replaceAll('-', '_').toUpperCase(),
  ),
  'LINE_CHANNEL',
  'GOOGLE_CHAT',
]
const CHANNEL_VARIABLE = new RegExp(`^(?:${PREFIXES.join('|')})_`)

/** A channel starts by itself when it finds one of these, without a word about it in the configuration. */
export const isChannelVariable = (name: string): boolean => CHANNEL_VARIABLE.test(name)

const CREDENTIAL =
  /(?:token|secret|password|passphrase|(?:private|api|app|encrypt|aes|access|recovery|signing)Key|credentials|serviceAccount|serviceAccountFile|tokenFile|secretFile|passwordFile|certificatePath|authDir|incomingUrl)$|^code$/i

/** Of the accounts at providers: OAuth logins alone, or everything. */
export type Left = 'oauth' | 'all'

/** The whole configuration, or the part of it that one file holds, without logins and with every channel off. */
export function configWithoutIdentity(config: Tree, left: Left = 'oauth'): Tree {
  const out: Record<string, unknown> = { ...config }
  if (isTree(config['channels'])) out['channels'] = silenced(config['channels'])
  const plugins = config['plugins']
  if (isTree(plugins) && isTree(plugins['entries'])) {
    out['plugins'] = { ...plugins, entries: mutePlugins(plugins['entries']) }
  }
  if (isTree(config['auth'])) out['auth'] = withoutLogins(config['auth'], 'mode', left)
  const env = config['env']
  if (isTree(env)) {
    const vars = isTree(env['vars']) ? { vars: withoutVariables(env['vars']) } : {}
    out['env'] = { ...withoutVariables(env), ...vars }
  }
  return out
}

/** A channel's plugin may hold its credentials instead of the channel. */
const mutePlugins = (entries: Tree): Tree =>
  Object.fromEntries(
    Object.entries(entries).map(([id, entry]) => [
      id,
      CHANNELS.includes(id) && isTree(entry) ? withoutCredentials(entry) : entry,
    ]),
  )

const withoutVariables = (variables: Tree): Tree =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !isChannelVariable(name)))

/** `defaults` and the like are settings of all channels, not a channel. */
function silenced(channels: Tree): Tree {
  return Object.fromEntries(
    Object.entries(channels).map(([name, channel]) => {
      if (!isTree(channel) || name === 'defaults' || name === 'modelByChannel')
        return [name, channel]
      return [name, { ...withoutCredentials(channel), enabled: false }]
    }),
  )
}

function withoutCredentials(value: Tree): Tree {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (CREDENTIAL.test(key) && (typeof inner === 'string' || isReference(inner))) return []
      if (Array.isArray(inner)) {
        return [
          [key, inner.map((one) => (isTree(one) ? withoutCredentials(one) : (one as unknown)))],
        ]
      }
      return [[key, isTree(inner) ? withoutCredentials(inner) : inner]]
    }),
  )
}

const isReference = (value: unknown) => isTree(value) && 'source' in value

/** @param field what says of a profile that it is an OAuth login: `mode` in the configuration, `type` in a store */
export function withoutLogins(store: Tree, field: 'mode' | 'type', left: Left): Tree {
  const profiles = isTree(store['profiles']) ? store['profiles'] : {}
  const logins = new Set(
    Object.entries(profiles)
      .filter(([, profile]) => left === 'all' || (isTree(profile) && profile[field] === 'oauth'))
      .map(([id]) => id),
  )
  return logins.size === 0 ? store : (withoutIds(store, logins) as Tree)
}

/**
 * Takes ids out of maps and lists alike: a profile stands in `profiles`, in orders and among the last good ones. An order
 * that has none left is none: an empty one would keep what is added later from being used.
 */
function withoutIds(value: unknown, ids: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.filter((item) => !ids.has(item as string))
  if (!isTree(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !ids.has(key) && !isOneOf(inner, ids))
      .map(([key, inner]) => [key, withoutIds(inner, ids)]),
  )
}

const isOneOf = (inner: unknown, ids: ReadonlySet<string>): boolean =>
  Array.isArray(inner)
    ? inner.length > 0 && inner.every((item) => ids.has(item as string))
    : typeof inner === 'string' && ids.has(inner)

/** Rows of tables that travel otherwise: keys of the key-value table, OAuth logins, what channels' plugins keep. */
export function forgetIdentity(database: DatabaseSync, role: DatabaseRole, left: Left): number {
  let forgotten = 0
  const run = (table: string, sql: string, ...values: readonly string[]) => {
    if (hasTable(database, table)) forgotten += Number(database.prepare(sql).run(...values).changes)
  }
  if (role === 'state') {
    for (const key of IDENTITY_STATE_KEYS) {
      run('config_machine_state', 'DELETE FROM config_machine_state WHERE state_key = ?', key)
    }
    if (left === 'all') run('secret_store_entries', 'DELETE FROM secret_store_entries')
    for (const name of channelSecrets(database)) {
      run('secret_store_entries', 'DELETE FROM secret_store_entries WHERE name = ?', name)
    }
    for (const table of ['plugin_state_entries', 'plugin_blob_entries']) {
      for (const channel of CHANNELS) {
        run(table, `DELETE FROM ${table} WHERE plugin_id = ?`, channel)
      }
    }
    forgotten += dropLogins(
      database,
      left,
      'config_machine_state',
      'value_json',
      "state_key = 'authProfiles.store'",
    )
  }
  if (role === 'agent')
    forgotten += dropLogins(database, left, 'auth_profile_store', 'store_json', '1')
  return forgotten
}

/** A stored secret is used under its name, like a variable. */
const channelSecrets = (database: DatabaseSync): readonly string[] =>
  hasTable(database, 'secret_store_entries')
    ? database
        .prepare('SELECT name FROM secret_store_entries')
        .all()
        .map(({ name }) => String(name))
        .filter(isChannelVariable)
    : []

function dropLogins(
  database: DatabaseSync,
  left: Left,
  table: string,
  column: string,
  where: string,
): number {
  if (countOf(database, table, where) === 0) return 0
  let dropped = 0
  const update = database.prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`)
  for (const row of database
    .prepare(`SELECT rowid AS id, ${column} AS value FROM ${table} WHERE ${where}`)
    .all()) {
    const store: unknown = JSON.parse(String(row['value']))
    if (!isTree(store)) continue
    const became = withoutLogins(store, 'type', left)
    if (became === store) continue
    update.run(JSON.stringify(became), Number(row['id']))
    dropped += 1
  }
  return dropped
}
