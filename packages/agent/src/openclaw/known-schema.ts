/**
 * The tables of OpenClaw's databases as this version of OCM was made with them, each with its columns that hold text.
 * What a database has beside these is of another version: it is looked through for paths all the same, and told.
 */
import type { DatabaseRole } from './rows.ts'

/** The newest schema of each kind of database that the lists below are of. */
export const KNOWN_SCHEMAS: Readonly<Record<DatabaseRole, number>> = {
  state: 18,
  agent: 23,
  other: 0,
}

/** A table's name, a colon, and its columns; what is indented goes on with the line above. */
const STATE = `
acp_replay_events: session_id session_key run_id update_json
acp_replay_sessions: session_id session_key cwd
acp_sessions: session_key session_id backend agent runtime_session_name identity_json mode
    runtime_options_json cwd state last_error
agent_database_leases: lease_id agent_id path
agent_databases: agent_id path
agent_deletion_journal: agent_id operation_id agent_dir workspace_dir sessions_dir
    database_paths_json cleanup_paths_json
agent_provenance: agent_id created_via creator_agent_id
apns_registration_tombstones: node_id
apns_registrations: node_id transport token relay_handle send_grant installation_id relay_origin
    topic environment distribution token_debug_suffix
audit_events: event_id source_id kind action status error_code actor_type actor_id agent_id
    session_key session_id run_id tool_call_id tool_name direction channel conversation_kind
    message_outcome reason_code delivery_kind failure_stage account_ref conversation_ref
    message_ref target_ref
audit_identity_keys: key_id
backup_runs: id archive_path status manifest_json
capture_blobs: blob_id content_type encoding sha256
capture_events: session_id source_scope source_process protocol direction kind flow_id method
    host path content_type headers_json data_text data_blob_id data_sha256 error_text meta_json
capture_sessions: id mode source_scope source_process proxy_url
channel_ingress_events: queue_name event_id channel_id account_id status lane_key payload_json
    metadata_json claim_token claim_owner last_error failed_reason completed_metadata_json
channel_pairing_allow_entries: channel_key account_id entry
channel_pairing_requests: channel_key account_id request_id code created_at last_seen_at
    meta_json
claw_cron_refs: agent_id manifest_id schema_version declaration_key scheduler_job_id status
    job_json error
claw_installs: agent_id schema_version source_kind claw_name claw_version package_root
    manifest_path integrity_kind integrity plan_integrity workspace agent_config_digest
    agent_owned_paths_json bootstrap_source_path bootstrap_content_digest status
claw_mcp_server_refs: agent_id name schema_version config_digest relationship origin status
    error
claw_package_refs: agent_id package_kind package_source package_ref package_version
    package_integrity schema_version claw_name package_status relationship origin extension_id
    extension_format extension_detected_format extension_mapped_json extension_unavailable_json
    extension_adapter_identity
claw_workspace_files: agent_id target_path schema_version workspace source_path content_digest
    status
clawhub_promotion_claims: slug provider model_keys_json
config_health_entries: config_path last_known_good_json last_promoted_good_json
    last_observed_suspicious_signature
config_machine_state: state_key value_json
config_revision_keys:
cron_job_scratch: store_key job_id content source_sha256
cron_jobs: store_key job_id declaration_key owner_agent_id name description agent_id
    payload_kind job_json grant_definition_revision state_json schedule_identity
cron_run_receipts: receipt_id store_key job_id config_revision agent_id request_run_id status
    error_text
current_conversation_bindings: binding_key binding_id target_session_key channel account_id
    conversation_kind parent_conversation_id conversation_id target_kind status metadata_json
    record_json
delivery_queue_entries: queue_name id status entry_kind session_key channel target account_id
    last_error recovery_state entry_json
device_auth_tokens: device_id role token scopes_json
device_bootstrap_tokens: token_key token setup_id device_id public_key profile_json
    redeemed_profile_json pending_profile_json
device_identities: identity_key device_id public_key_pem private_key_pem
device_pair_setup_completions: setup_id device_id device_name access delivery_state
device_pairing_join_codes: shortcode payload_json
device_pairing_paired: device_id public_key display_name operator_label platform device_family
    client_id client_mode browser_origin role roles_json scopes_json approved_scopes_json
    remote_ip tokens_json approved_via node_surface_json pending_node_surface_json
    last_seen_reason
device_pairing_pending: request_id device_id public_key display_name platform device_family
    client_id client_mode browser_origin role roles_json scopes_json remote_ip
diagnostic_events: scope event_key payload_json
exec_approvals_config: config_key raw_json socket_path default_security default_ask
    default_ask_fallback
fleet_cells: tenant_id image runtime container_name data_dir
flow_runs: flow_id shape sync_mode owner_key requester_origin_json controller_id status
    notify_policy goal current_step blocked_task_id blocked_summary state_json wait_json
gateway_boot_lifecycle: boot_id outcome startup_reason reason
gateway_origin_device_tokens: gateway_scope device_id role token scopes_json
gateway_restart_handoff: handoff_key kind intent_id process_instance_id reason source
    restart_kind supervisor_mode
gateway_restart_intent: intent_key kind reason
gateway_restart_sentinel: sentinel_key kind status session_key thread_id delivery_channel
    delivery_to delivery_account_id message continuation_json doctor_hint stats_json
    payload_json
github_publication_requests: request_id idempotency_key request_digest session_id session_key
    agent_id worktree_id repository_fingerprint claim_id run_id environment_id identity_source
    identity_profile_id identity_login title body status gateway_instance_id repository branch
    base_branch source_head_commit source_index_tree workspace_tree head_commit pull_request_url
    error_code next_action
macos_port_guardian_records: command mode
managed_outgoing_image_records: attachment_id session_key agent_id message_id created_at
    updated_at retention_class alt original_media_root original_media_id original_media_subdir
    original_content_type original_filename record_json
mcp_oauth_stores: store_key store_json
meeting_transcript_sessions: session_id started_at selector export_key session_slug provider_id
    title source_json stopped_at metadata_json export_manifest_json export_pending_json
meeting_transcript_summaries: session_id session_started_at generated_at summary_json markdown
meeting_transcript_utterances: session_id session_started_at utterance_id started_at ended_at
    speaker_id speaker_label text metadata_json
migration_runs: id status report_json
migration_sources: source_key migration_kind source_path target_table source_sha256 last_run_id
    status report_json
native_hook_relay_bridges: relay_id hostname token
official_external_plugin_catalog_snapshots: feed_url body etag last_modified checksum saved_at
    trust_mode trust_key_id trust_verified_at
operator_approvals: approval_id resolution_ref kind status presentation_json
    requested_by_device_id requested_by_client_id reviewer_device_ids_json source_agent_id
    source_session_key source_session_id source_run_id source_tool_call_id source_tool_name
    audience_session_keys_json runtime_epoch decision terminal_reason resolver_kind resolver_id
    consumed_by
outbound_media_provenance: realpath kind sha256
plugin_binding_approvals: plugin_root channel account_id plugin_id plugin_name
plugin_blob_entries: plugin_id namespace entry_key metadata_json
plugin_state_entries: plugin_id namespace entry_key value_json
projects: id display_name repo_root origin_url source
sandbox_registry_entries: registry_kind container_name session_key backend_id runtime_label
    image config_label_kind config_hash entry_json
schema_meta: meta_key role agent_id app_version
secret_store_entries: scope_kind scope_id name value kind updated_by allowed_hosts
session_groups: name cwd
session_state_events: dedupe_key session_key session_id agent_id kind actor_type actor_id run_id
    summary payload_json
session_state_heads: session_key agent_id
session_upstream_links: session_key agent_id catalog_id host_id thread_id upstream_kind
    upstream_ref_json last_marker_json
session_watch_cursors: watcher_session_key watcher_store_path target_session_key provenance
skill_upload_chunks: upload_id
skill_uploads: upload_id kind slug sha256 actual_sha256 idempotency_key_hash
skill_usage: skill_file skill_key skill_name skill_source last_agent_id
skill_workshop_collection_reviews: review_id owner_agent_id backup_id kept_names_json
    written_names_json dropped_json
skill_workshop_proposal_events: event_id proposal_id proposed_version revision_hash event_type
    occurred_at actor_json correlation_id payload_json
skill_workshop_proposal_rollbacks: proposal_id written_at target_skill_file action
    previous_content_hash previous_content support_files_json
skill_workshop_proposals: proposal_id record_json owner_agent_id kind status created_at
    updated_at draft_hash origin_agent_id origin_session_key origin_run_id origin_message_id
    applied_at rejected_at quarantined_at stale_at status_reason
state_leases: scope lease_key owner payload_json
subagent_runs: run_id child_session_key controller_session_key controller_store_path
    requester_session_key requester_store_path payload_json
task_delivery_state: task_id requester_origin_json
task_runs: task_id runtime task_kind source_id requester_session_key owner_key scope_kind
    child_session_key parent_flow_id parent_task_id agent_id requester_agent_id run_id
    execution_owner_host label task status delivery_status notify_policy last_tool_name error
    progress_summary terminal_summary terminal_outcome detail_json
user_preferences: profile_id pref_key value_json
user_profile_emails: email profile_id binding_id
user_profile_identities: provider subject profile_id canonical_login
user_profiles: id display_name avatar_mime avatar_sha256 merged_into role
web_push_approval_deliveries: approval_id subscription_id device_id user_profile_id
web_push_subscriptions: endpoint_hash subscription_id endpoint p256dh auth device_id
    user_profile_id preferences_json
worker_environment_credentials: environment_id credential_hash bundle_hash session_id
worker_environment_session_attachments: session_id session_key agent_id
    session_lifecycle_revision environment_id
worker_environment_ssh_fallback_ports: environment_id
worker_environments: environment_id provider_id profile_id profile_snapshot_json preparation_key
    preparation_purpose provision_operation_id lease_id node_setup_id node_device_id ssh_host
    ssh_user ssh_host_key ssh_key_ref_json desktop_json state bootstrap_bundle_hash
    bootstrap_openclaw_version bootstrap_protocol_features_json bootstrap_install_kind
    teardown_terminal_state attached_session_ids_json last_error
worker_inference_turns: session_id run_id turn_id environment_id request_hash state
    terminal_json
worker_session_placement_moves: operation_id session_id source_environment_id target_kind
    target_id target_machine_class target_os last_error
worker_session_placements: session_id agent_id session_key execution_mode state environment_id
    workspace_base_manifest_ref remote_workspace_dir worker_bundle_hash recovery_error
    turn_claim_owner turn_claim_id turn_claim_run_id terminal_reason
worker_session_tool_operations: source_session_id source_claim_id tool_call_id tool_name
    request_digest operation_seed status child_session_key result_json gateway_instance_id
worker_transcript_commit_heads: session_id environment_id
worker_transcript_commits: session_id request_hash state result_json
worker_turn_tool_authorities: session_id environment_id claim_id run_id tool_names_json
worker_workspace_pending_results: session_id environment_id claim_id run_id gateway_instance_id
    staged_result_ref repository_workspace_id
worker_workspace_reconciliations: session_id environment_id base_manifest_ref
    current_manifest_ref plan_json
workspace_generated_bootstrap_hashes: workspace_key filename sha256
workspace_path_aliases: alias_key alias_path workspace_key workspace_path
workspace_setup_state: workspace_key workspace_path bootstrap_seeded_at setup_completed_at
worktree_provisioned_file_chunks: worktree_id path
worktree_templates: cache_key id repo_root common_dir worktree_root path backend source_commit
    content_key status
worktrees: id repo_fingerprint repo_root path branch base_ref owner_kind owner_id snapshot_ref
    provisioned_paths_json run_end_cleanup_json`

const AGENT = `
acp_parent_stream_events: session_id run_id event_json
auth_profile_state: state_key state_json
auth_profile_store: store_key store_json
board_tabs: session_key tab_id title chat_dock created_by
board_widgets: session_key name tab_id title content_kind descriptor_json sha256 view_generation
    manifest grant_state granted_sha created_by
cache_entries: scope key value_json
context_engine_turn_outbox: advancement_key engine_id owner_plugin_id session_id payload_json
    last_error
conversation_deliveries: operation_id operation_kind conversation_id source_session_key
    message_hash status prepared_message_id platform_message_id queue_id rejection_error
    reply_message_id reply_to_id reply_thread_id reply_text
conversations: conversation_id channel account_id kind peer_id delivery_target
    parent_conversation_id thread_id native_channel_id native_direct_user_id label metadata_json
heartbeat_outcomes: session_key run_session_key outcome summary response_reason priority
    next_check task_names_json wake_source wake_reason context_run_id
memory_embedding_cache: provider model provider_key hash
memory_entry_origins: entry_key agent_id session_id session_key origin_class
memory_index_chunk_provenance: chunk_id origin_class session_kind supersedes_key
memory_index_chunk_recall_metadata: chunk_id triggers project_key
memory_index_chunks: id path source hash model text
memory_index_meta: key value
memory_index_sources: path source hash
memory_index_state:
memory_session_tombstones: session_id agent_id reason
message_tool_run_outcomes: run_id session_key agent_id provider model outcome run_status
schema_meta: meta_key role agent_id app_version
session_canonical_validation_pending: session_key
session_conversations: session_id conversation_id role route_context_json
session_goal_operations: session_key operation_id session_id request_fingerprint result_json
session_input_completions: session_key session_id idempotency_key run_id request_hash
    outcome_json
session_key_contract: main_key canonical_ready
session_members: session_key identity_id added_by
session_nodes: session_key current_session_id entry_json legacy_acp_migration_json status
    created_via created_actor_type created_actor_id owner_actor_type owner_actor_id
    owner_assigned_by_type owner_assigned_by_id project_id parent_session_key spawned_by
    fork_source_session_key fork_source_session_id fork_source_entry_id label display_name
    category icon
session_participants: session_key identity_namespace actor_id
session_pending_inputs: input_id session_key session_id idempotency_key run_id request_hash
    message_json lifecycle_generation state consumed_event_id
session_progress_cards: session_key markdown steps_json
session_suggestions: id session_key author_id author_label text state dispatch_token
    dispatch_resolution
session_transcript_active_events: session_id
session_transcript_archives: session_id generation session_key reason encoding archive_sha256
    archive_name last_publish_error
session_transcript_cold_archives: session_id generation archive_name archive_sha256 storage
session_transcript_fts_rows: session_id message_id
session_transcript_index_state: session_id leaf_event_id
session_windows: session_id session_key previous_session_id reason session_scope plugin_owner_id
    hook_external_content_source status chat_type channel account_id primary_conversation_id
    model_provider model agent_harness_id parent_session_key spawned_by display_name
standing_intents: id description trigger_keywords trigger_embedding channel_scope sender_scope
    creator_sender status source_session_id
trajectory_runtime_events: session_id run_id event_json
transcript_event_identities: session_id event_id event_type parent_id message_idempotency_key
transcript_events: session_id event_json navigation_json
transcript_rewrite_watermarks: session_id generation`

type Known = ReadonlyMap<string, ReadonlySet<string>>

const listOf = (text: string): Known =>
  new Map(
    text
      .replaceAll(/\n +/g, ' ')
      .trim()
      .split('\n')
      .map((line) => {
        const [table = '', columns = ''] = line.split(':')
        return [table, new Set(columns.split(' ').filter((name) => name !== ''))]
      }),
  )

const KNOWN: Readonly<Record<DatabaseRole, Known | undefined>> = {
  state: listOf(STATE),
  agent: listOf(AGENT),
  other: undefined,
}

/** Undefined for a table that OCM has not seen; of a kind of database that it knows no tables of, nothing is new. */
export const knownColumns = (role: DatabaseRole, table: string): ReadonlySet<string> | undefined =>
  KNOWN[role]?.get(table)

/** Whether there is anything to compare a database of this kind with. */
export const isOfKnownKind = (role: DatabaseRole): boolean => KNOWN[role] !== undefined
