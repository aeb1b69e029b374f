/** Kinds of things that are rows and are counted whole. */
import { STATE_TABLES } from './rows.ts'

/** What people call them, and the tables they are in; section and travel are those of the first table. */
export const ROW_KINDS: readonly (readonly [what: string, first: string, ...others: string[]])[] = [
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
export const OF_THIS_MACHINE: readonly string[] = Object.entries(STATE_TABLES)
  .filter(([, { travel }]) => travel === 'host' || travel === 'never')
  .map(([table]) => table)

/** All tables whose rows are counted, and which of the rows. */
export const COUNTED: readonly (readonly [table: string, where: string])[] = [
  ...new Map([
    ...[...ROW_KINDS.flatMap(([, ...tables]) => tables), ...OF_THIS_MACHINE].map(
      (table) => [table, '1'] as const,
    ),
    ['delivery_queue_entries', '1'] as const,
    ['channel_ingress_events', '1'] as const,
    ['secret_store_entries', 'deleted_at_ms IS NULL'] as const,
  ]),
]
