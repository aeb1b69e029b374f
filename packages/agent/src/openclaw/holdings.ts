/** Things that live in rows and fields rather than in files of their own, counted, with where they may go. */
import type { Holding, Inventory, Section, Travel } from '@ocm/protocol'
import { OF_THIS_MACHINE, ROW_KINDS } from './row-kinds.ts'
import { STATE_TABLES, type Table } from './rows.ts'
import type { Sight } from './sight.ts'

type Line = readonly [what: string, Section, Travel, count: number]

export function holdingsOf(
  sight: Sight,
  inventory: Inventory,
  credentialFiles: number,
  secretFiles: number,
): readonly Holding[] {
  const file = { root: 'state', path: '.env' }
  const inEnv = sight.told('env', file) ?? 0
  // Whoever has one of these answers in the bot's name as soon as it runs.
  const botTokens = inEnv + sight.config.botTokens
  const user = inventory.cron.filter((job) => job.user).length
  const lines: readonly Line[] = [
    ['personas', 'personas', 'always', inventory.personas.length],
    ['conversations', 'history', 'always', Object.values(inventory.sessions).flat().length],
    ['cron jobs', 'cron', 'always', user],
    ['cron jobs OpenClaw makes itself', 'cron', 'always', inventory.cron.length - user],
    ['plugins', 'plugins', 'always', inventory.plugins.length],
    ['gateway token', 'gateway', 'identity', sight.config.gatewaySecrets],
    ...authProfiles(sight),
    ['keys in the configuration', 'credentials', 'always', sight.config.keys],
    ['keys in variables', 'environment', 'always', sight.told('keys', file) ?? 0],
    ['files of secrets', 'credentials', 'always', secretFiles],
    ['texts that may be secrets', 'gateway', 'always', sight.config.unsure],
    ['stored secrets', 'credentials', 'always', count(sight, 'secret_store_entries')],
    // They go with a move; sent again after a restore or by a clone they would be sent twice.
    ['messages not yet sent', 'channels', 'identity', count(sight, 'delivery_queue_entries')],
    ['messages not yet answered', 'channels', 'identity', count(sight, 'channel_ingress_events')],
    ['interrupted turns', 'history', 'identity', openTurnsIn(sight)],
    ['notes about this machine', 'gateway', 'never', countAll(sight, OF_THIS_MACHINE)],
    ['web push keys', 'gateway', 'identity', sight.state?.vapidKeys === true ? 1 : 0],
    ['channel credentials', 'channels', 'identity', credentialFiles],
    ['bot tokens', 'channels', 'identity', botTokens],
    ...ROW_KINDS.map(([what, first, ...others]): Line => {
      const { section, travel } = STATE_TABLES[first] as Table
      return [what, section, travel, countAll(sight, [first, ...others])]
    }),
  ]
  return lines
    .filter(([, , , n]) => n > 0)
    .map(([what, section, travel, n]) => ({ what, section, travel, count: n }))
}

const countAll = (sight: Sight, tables: readonly string[]): number =>
  tables.reduce((sum, table) => sum + count(sight, table), 0)

const openTurnsIn = ({ state, agents }: Sight): number =>
  (state?.openTurns ?? 0) + agents.reduce((sum, { listing }) => sum + listing.openTurns, 0)

const count = ({ state }: Sight, table: string): number => state?.counts[table] ?? 0

/** An OAuth login is one thing that two nodes cannot share: each refresh makes the other's token void. */
function authProfiles({ state, agents }: Sight): readonly Line[] {
  const profiles = [
    ...(state?.authProfiles ?? []),
    ...agents.flatMap(({ listing }) => listing.authProfiles),
  ]
  const oauth = profiles.filter(({ type }) => type === 'oauth').length
  return [
    ['API keys and tokens', 'credentials', 'always', profiles.length - oauth],
    ['OAuth logins', 'credentials', 'identity', oauth],
  ]
}
