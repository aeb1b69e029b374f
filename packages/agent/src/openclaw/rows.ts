/**
 * What the rows of OpenClaw's databases are: where they belong, where they may go, and which of their columns hold
 * paths. A table or column that is not named here is looked at all the same (see `visitDatabase`).
 */
import type { PlacedPath, Section, Travel } from '@ocm/protocol'
import type { As } from './strings.ts'

/** How a column is looked at; as JSON, each string by where it stands. */
export type How =
  | As
  | {
      readonly json: (keys: readonly string[]) => As
      /** What every string of it is taken for, if for the same. */
      readonly all?: As
      readonly secret?: true
    }
export type Row = Readonly<Record<string, unknown>>

export interface Table {
  readonly section: Section
  /** Where the rows may go; a table that does not travel is emptied. */
  readonly travel: Travel
  /** Sent twice if they come from a snapshot of a node that went on: they go only with a move. */
  readonly once?: true
  readonly columns: Readonly<Record<string, How | ((row: Row) => How)>>
  /** How columns are looked at that are not named. */
  readonly rest: As
}

const table = (
  section: Section,
  columns: Table['columns'] = {},
  travel: Travel = 'always',
  rest: As = 'guess',
): Table => ({ section, columns, travel, rest })

const never = (section: Section = 'gateway') => table(section, {}, 'never', 'skip')
const ofThisMachine = (section: Section = 'gateway') => table(section, {}, 'host', 'skip')
/** Conversations and their indexes: read by people and models, and large. */
const history = (columns: Table['columns'] = {}) => table('history', columns, 'always', 'skip')
/** Whatever stands in them is a key or a token. */
const identity = (section: Section) => table(section, {}, 'identity', 'skip')
const once = (section: Section): Table => ({ ...table(section, {}, 'always', 'skip'), once: true })

const json = (as: As): How => ({ json: () => as, all: as })
const secretJson: How = { json: () => 'structured', all: 'structured', secret: true }

/** The parts of a cron job that are words. Everything else a machine reads: argv, cwd, env, scripts, targets. */
const CRON_WORDS = new Set([
  'message',
  'text',
  'name',
  'displayName',
  'description',
  'prompt',
  'systemPrompt',
])
const cronJob: How = {
  json: (keys) => {
    if (keys[0] === 'payload' && keys[1] === 'argv' && keys[2] === '0') return 'program'
    const last = keys.at(-1) ?? ''
    return CRON_WORDS.has(last) ? 'prose' : last === 'cwd' ? 'needed' : 'structured'
  },
}

/** Keys of the key-value table whose values are known; others are guessed. */
const MACHINE_STATE: Readonly<Record<string, How>> = {
  'authProfiles.store': secretJson,
  'plugins.installedIndex': json('derived'),
  'cron.store': json('structured'),
  'nodeHost.config': json('structured'),
  'webPush.vapidKeys': 'skip',
}

export const STATE_TABLES: Readonly<Record<string, Table>> = {
  // Automations: the key of each partition is the path of a file that no longer exists.
  cron_jobs: table('cron', {
    store_key: 'path',
    job_json: cronJob,
    description: 'prose',
    name: 'prose',
  }),
  cron_job_scratch: table('cron', { store_key: 'path', content: 'prose' }),
  cron_run_receipts: table('cron', { store_key: 'path', error_text: 'prose' }),
  claw_cron_refs: table('cron', { job_json: cronJob }),
  config_machine_state: table('gateway', {
    state_key: ({ state_key: key }) =>
      String(key).startsWith('cron.quarantine:') ? 'structured' : 'skip',
    value_json: ({ state_key: key }) => {
      if (String(key).startsWith('cron.quarantine:')) return cronJob
      return MACHINE_STATE[String(key)] ?? json('guess')
    },
  }),
  exec_approvals_config: table(
    'gateway',
    { raw_json: json('structured'), socket_path: 'path' },
    'identity',
  ),

  // Keyed by the hash of a path; see `rekeyWorkspaces`.
  workspace_setup_state: table('workspaces', { workspace_path: 'path' }, 'always', 'skip'),
  workspace_path_aliases: table(
    'workspaces',
    { alias_path: 'path', workspace_path: 'path' },
    'always',
    'skip',
  ),
  workspace_generated_bootstrap_hashes: table('workspaces', {}, 'always', 'skip'),

  agent_databases: table('personas', { path: 'path' }),
  agent_deletion_journal: table('personas', {
    agent_dir: 'path',
    workspace_dir: 'path',
    sessions_dir: 'path',
    database_paths_json: json('structured'),
    cleanup_paths_json: json('structured'),
  }),
  projects: table('workspaces', { repo_root: 'path', display_name: 'prose' }),
  worktrees: table('workspaces', {
    repo_root: 'path',
    path: 'path',
    provisioned_paths_json: json('structured'),
    run_end_cleanup_json: json('structured'),
  }),
  worktree_templates: table('workspaces', {
    repo_root: 'path',
    common_dir: 'path',
    worktree_root: 'path',
    path: 'path',
  }),
  session_groups: table('personas', { cwd: 'path' }),
  acp_sessions: table('personas', {
    cwd: 'path',
    runtime_options_json: json('structured'),
    last_error: 'skip',
  }),
  acp_replay_sessions: history({ cwd: 'path' }),
  claw_installs: table('plugins', {
    package_root: 'path',
    manifest_path: 'path',
    workspace: 'path',
    bootstrap_source_path: 'path',
    agent_owned_paths_json: json('structured'),
  }),
  claw_workspace_files: table('plugins', {
    target_path: 'path',
    workspace: 'path',
    source_path: 'path',
  }),
  plugin_binding_approvals: table('plugins', { plugin_root: 'path' }, 'identity'),
  skill_usage: table('skills', { skill_file: 'path' }),
  skill_workshop_proposal_rollbacks: table('skills', {
    target_skill_file: 'path',
    previous_content: 'prose',
  }),
  skill_workshop_proposals: table('skills', { record_json: json('guess') }),
  outbound_media_provenance: table('history', { realpath: 'path' }),
  managed_outgoing_image_records: table('history', {
    original_media_root: 'path',
    record_json: json('structured'),
  }),
  subagent_runs: table('history', {
    controller_store_path: 'path',
    requester_store_path: 'path',
    payload_json: json('paths'),
  }),
  session_watch_cursors: table('history', { watcher_store_path: 'path' }),
  migration_sources: table('history', { source_path: 'path', report_json: json('paths') }),
  migration_runs: table('history', { report_json: json('paths') }),
  // The run history of a cron job is found by the partition's key.
  task_runs: table('history', { detail_json: json('paths'), task: 'prose' }, 'always', 'skip'),
  flow_runs: table(
    'history',
    { state_json: json('paths'), wait_json: json('paths'), goal: 'prose' },
    'always',
    'skip',
  ),
  secret_store_entries: table('credentials', { value: secretJson }),
  plugin_state_entries: table('plugins', { value_json: json('guess') }),
  plugin_blob_entries: table('plugins', { metadata_json: json('guess') }),
  sandbox_registry_entries: ofThisMachine('environment'),
  fleet_cells: ofThisMachine('environment'),

  // Words, and what was said.
  acp_replay_events: history(),
  audit_events: history(),
  capture_events: history(),
  capture_sessions: history(),
  capture_blobs: history(),
  meeting_transcript_sessions: history(),
  meeting_transcript_summaries: history(),
  meeting_transcript_utterances: history(),
  session_state_events: history(),
  official_external_plugin_catalog_snapshots: table('plugins', {}, 'always', 'skip'),
  skill_upload_chunks: table('skills', {}, 'always', 'skip'),
  skill_uploads: table('skills', {}, 'always', 'skip'),

  // Of a process that is gone, or of this machine.
  config_health_entries: never(),
  gateway_boot_lifecycle: never(),
  gateway_restart_handoff: never(),
  gateway_restart_intent: never(),
  gateway_restart_sentinel: never(),
  state_leases: never(),
  agent_database_leases: never(),
  macos_port_guardian_records: never(),
  native_hook_relay_bridges: never(),
  diagnostic_events: ofThisMachine('history'),
  backup_runs: ofThisMachine('history'),

  // Who this node is and whom it knows: two nodes must not have the same.
  device_identities: identity('gateway'),
  device_auth_tokens: identity('gateway'),
  device_bootstrap_tokens: identity('gateway'),
  device_pair_setup_completions: identity('gateway'),
  device_pairing_paired: identity('gateway'),
  device_pairing_pending: identity('gateway'),
  device_pairing_join_codes: identity('gateway'),
  gateway_origin_device_tokens: identity('gateway'),
  config_revision_keys: identity('gateway'),
  audit_identity_keys: identity('gateway'),
  clawhub_promotion_claims: identity('gateway'),
  operator_approvals: identity('gateway'),
  web_push_subscriptions: identity('gateway'),
  web_push_approval_deliveries: identity('gateway'),
  apns_registrations: identity('gateway'),
  apns_registration_tombstones: identity('gateway'),
  channel_pairing_requests: identity('channels'),
  channel_pairing_allow_entries: identity('channels'),
  mcp_oauth_stores: identity('credentials'),
  mcp_oauth_pending_authorizations: identity('credentials'),
  worker_environment_credentials: identity('environment'),
  worker_environment_session_attachments: identity('environment'),
  worker_environment_ssh_fallback_ports: identity('environment'),
  worker_environments: identity('environment'),
  delivery_queue_entries: once('channels'),
  channel_ingress_events: once('channels'),
}

export const AGENT_TABLES: Readonly<Record<string, Table>> = {
  auth_profile_store: table('credentials', { store_json: secretJson }),
  auth_profile_state: table('credentials', { state_json: secretJson }),
  // Where a conversation works. What it said is history.
  session_nodes: table('history', { entry_json: json('paths') }, 'always', 'skip'),
  // The triggers of these tables keep their indexes in step.
  memory_index_sources: table('history', { path: 'path' }, 'always', 'skip'),
  memory_index_chunks: table('history', { path: 'path' }, 'always', 'skip'),
  board_widgets: table(
    'personas',
    { descriptor_json: json('guess'), manifest: json('guess') },
    'always',
    'skip',
  ),
  standing_intents: table(
    'personas',
    { description: 'prose', trigger_keywords: 'prose' },
    'always',
    'skip',
  ),
  session_pending_inputs: once('history'),
  session_suggestions: history(),
  acp_parent_stream_events: history(),
  cache_entries: history(),
  context_engine_turn_outbox: history(),
  conversation_deliveries: history(),
  conversations: history(),
  heartbeat_outcomes: history(),
  memory_embedding_cache: history(),
  session_conversations: history(),
  session_goal_operations: history(),
  session_input_completions: history(),
  session_progress_cards: history(),
  session_transcript_archives: history(),
  session_transcript_cold_archives: history(),
  session_windows: history(),
  trajectory_runtime_events: history(),
  transcript_events: history(),
  transcript_event_identities: history(),
}

/** Keys of `config_machine_state` that a clone leaves behind. */
export const IDENTITY_STATE_KEYS: readonly string[] = ['webPush.vapidKeys', 'nodeHost.config']

export type DatabaseRole = 'state' | 'agent' | 'other'

/** What a database is, by where it lies in its layout. Databases of people come back byte for byte: 'other' is not one of them. */
export function roleOf(place: PlacedPath): DatabaseRole | undefined {
  if (place.root === 'state' && place.path === 'state/openclaw.sqlite') return 'state'
  if (/(?:^|\/)openclaw-agent\.sqlite$/.test(place.path)) return 'agent'
  if (place.path === '' && place.root.startsWith('extra:database-')) return 'agent'
  return place.root === 'state' ? 'other' : undefined
}

/** As what a column is looked at. Plugins name theirs as they like, `constructor` too. */
export const howOf = ({ columns, rest }: Table, column: string): Table['columns'][string] =>
  (Object.hasOwn(columns, column) ? columns[column] : undefined) ?? rest

export const tablesOf = (role: DatabaseRole): Readonly<Record<string, Table>> =>
  role === 'state' ? STATE_TABLES : role === 'agent' ? AGENT_TABLES : {}
