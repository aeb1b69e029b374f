/** Things that live in rows and fields rather than in files of their own, counted, with where they may go. */
import type { Holding, Inventory, Section, Travel } from '@ocm/protocol'
import { countOf, isDatabaseError, machineState } from './databases.ts'
import { authStores } from './inventory.ts'
import { STATE_TABLES, type Table } from './rows.ts'
import type { Sight } from './sight.ts'
import { at, findAll, isTree, treeAt } from './tree.ts'
import { assignmentsIn } from './variables.ts'

type Line = readonly [what: string, Section, Travel, count: number]

/** Kinds of rows that are counted whole, and the tables they are in; section and travel are those of the tables. */
const ROWS: readonly (readonly [what: string, ...tables: string[]])[] = [
  ['device identity', 'device_identities'],
  [
    'device tokens',
    'device_auth_tokens',
    'gateway_origin_device_tokens',
    'device_bootstrap_tokens',
  ],
  ['paired devices', 'device_pairing_paired'],
  ['pending pairings', 'device_pairing_pending', 'device_pairing_join_codes'],
  ['channel allowlist entries', 'channel_pairing_allow_entries', 'channel_pairing_requests'],
  ['push subscriptions', 'web_push_subscriptions', 'apns_registrations'],
  ['exec approvals', 'exec_approvals_config'],
  ['MCP logins', 'mcp_oauth_stores'],
  ['worker credentials', 'worker_environment_credentials'],
]

/** What no apply brings back, told as one. */
const OF_THIS_MACHINE = Object.entries(STATE_TABLES)
  .filter(([, { travel }]) => travel === 'host' || travel === 'never')
  .map(([table]) => table)

const BOT_TOKEN =
  /^(?:TELEGRAM|DISCORD|SLACK|MATTERMOST|MATRIX|LINE|ZALO|WHATSAPP|SIGNAL|MSTEAMS|FEISHU|IRC|TWITCH|NOSTR|TLON|SYNOLOGY|NEXTCLOUD|GOOGLE_?CHAT|TWILIO|WEBEX|KAKAO|WECHAT|QQ)[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|KEY|AUTH)[A-Z0-9_]*$/

export function holdingsOf(
  sight: Sight,
  inventory: Inventory,
  credentialFiles: number,
): readonly Holding[] {
  const user = inventory.cron.filter((job) => job.user).length
  const lines: readonly Line[] = [
    ['personas', 'personas', 'always', inventory.personas.length],
    ['conversations', 'history', 'always', Object.values(inventory.sessions).flat().length],
    ['cron jobs', 'cron', 'always', user],
    ['cron jobs OpenClaw makes itself', 'cron', 'always', inventory.cron.length - user],
    ['plugins', 'plugins', 'always', inventory.plugins.length],
    ['gateway token', 'gateway', 'identity', gatewaySecrets(sight)],
    ...authProfiles(sight),
    [
      'stored secrets',
      'credentials',
      'always',
      count(sight, 'secret_store_entries', 'deleted_at_ms IS NULL'),
    ],
    // They go with a move; sent again after a restore or by a clone they would be sent twice.
    ['messages not yet sent', 'channels', 'identity', count(sight, 'delivery_queue_entries')],
    ['notes about this machine', 'gateway', 'never', countAll(sight, OF_THIS_MACHINE)],
    [
      'web push keys',
      'gateway',
      'identity',
      machineState(sight.state, 'webPush.vapidKeys') === undefined ? 0 : 1,
    ],
    ['channel credentials', 'channels', 'identity', credentialFiles],
    ['bot tokens', 'channels', 'identity', botTokens(sight)],
    ...ROWS.map(([what, ...tables]): Line => {
      const { section, travel } = STATE_TABLES[tables[0] as string] as Table
      return [what, section, travel, countAll(sight, tables)]
    }),
  ]
  return lines
    .filter(([, , , n]) => n > 0)
    .map(([what, section, travel, n]) => ({ what, section, travel, count: n }))
}

const countAll = (sight: Sight, tables: readonly string[]): number =>
  tables.reduce((sum, table) => sum + count(sight, table), 0)

function count({ state, warnings }: Sight, table: string, where?: string): number {
  if (state === undefined) return 0
  try {
    return countOf(state, table, where)
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    warnings.push({ code: 'inventory-partial', detail: `${table}: ${error.message}` })
    return 0
  }
}

function gatewaySecrets({ config }: Sight): number {
  const auth = treeAt(config.tree, 'gateway.auth')
  return ['token', 'password'].filter((field) => typeof auth[field] === 'string').length
}

/** An OAuth login is one thing that two nodes cannot share: each refresh makes the other's token void. */
function authProfiles(sight: Sight): readonly Line[] {
  const stores = [
    machineState(sight.state, 'authProfiles.store'),
    ...sight.agents.flatMap(({ database }) => authStores(database)),
  ]
  const types = stores.flatMap((store) =>
    Object.values(treeAt(store, 'profiles')).map((profile) => String(at(profile, 'type') ?? '')),
  )
  const oauth = types.filter((type) => type === 'oauth').length
  return [
    ['API keys and tokens', 'credentials', 'always', types.length - oauth],
    ['OAuth logins', 'credentials', 'identity', oauth],
  ]
}

/** Whoever has one of these answers in the bot's name as soon as it runs. */
function botTokens(sight: Sight): number {
  const inEnv = assignmentsIn(sight.text({ root: 'state', path: '.env' }) ?? '').map(
    ([name]) => name,
  )
  const inVars = Object.keys(treeAt(sight.config.tree, 'env.vars'))
  const inChannels = findAll(at(sight.config.tree, 'channels'), '**').filter(
    ({ value, keys }) =>
      typeof value === 'string' &&
      value !== '' &&
      /(?:token|secret|password)$/i.test(keys.at(-1) ?? ''),
  )
  const refs = findAll(at(sight.config.tree, 'channels'), '**').filter(
    ({ value, keys }) =>
      isTree(value) && 'source' in value && /(?:token|secret|password)$/i.test(keys.at(-1) ?? ''),
  )
  return (
    [...inEnv, ...inVars].filter((name) => BOT_TOKEN.test(name)).length +
    inChannels.length +
    refs.length
  )
}
