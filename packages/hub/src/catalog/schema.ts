/** The tables as Kysely sees them. Times in milliseconds by the hub's clock, yes and no as 1 and 0, JSON as text. */
import type { Generated, Kysely } from 'kysely'

export interface Schema {
  /** One row when set-up is done. */
  vault: { id: 1; root: Uint8Array; set_up_at: number }
  vault_records: { serial: number; bytes: Uint8Array; received_at: number }
  /** The statement of each epoch that ended. */
  vault_epochs: { epoch: number; bytes: Uint8Array }
  slots: { id: number; kind: string; operator: string | null; bytes: Uint8Array }

  operators: {
    id: string
    name: string
    /** The name as it is compared. */
    name_key: string
    /** A PHC string. */
    password: string
    created_at: number
  }
  /** By the SHA-256 of what the cookie holds. */
  sessions: { hash: string; operator: string; created_at: number; seen_at: number }
  /** By the SHA-256 of the token. */
  api_tokens: {
    id: string
    operator: string
    label: string
    hash: string
    created_at: number
    used_at: number | null
  }

  tickets: {
    id: string
    key: string
    label: string
    expires_at: number
    statement: Uint8Array
    created_at: number
    used_at: number | null
    node: string | null
  }
  nodes: {
    id: string
    /** Public key in hexadecimal. */
    key: string
    label: string
    state: 'active' | 'quarantined' | 'revoked'
    seq_stored: number
    seq_pending: number | null
    boot: string
    ticket: Uint8Array
    enrolment: Uint8Array
    agent_version: string
    enrolled_at: number
    last_seen_at: number | null
    moved_to: string | null
  }

  /** Nodes that are reached over ssh; statements that only operators can open, and what was delegated to the hub. */
  ssh_nodes: {
    node: string
    connection: Uint8Array | null
    credential: Uint8Array | null
    delegation: Uint8Array | null
    delegated_at: number | null
    delegated_by: string | null
  }

  packs: {
    node: string
    id: string
    class: string
    bytes: number
    received_at: number
    state: Generated<'live' | 'tombstoned' | 'deleting'>
    tombstoned_at: Generated<number | null>
    /** When its stored bytes were last hashed. */
    checked_at: number
    damage: Generated<'damaged' | 'missing' | null>
    damaged_at: Generated<number | null>
  }
  snapshots: {
    id: string
    node: string
    seq: number
    header: Uint8Array
    trigger: string
    started_at: number
    finished_at: number
    received_at: number
    openclaw: string
    metrics: string
    stored_bytes: number
    pinned: Generated<number>
    pruned_at: Generated<number | null>
    pruned_by: Generated<string | null>
    verified_at: Generated<number | null>
  }
  snapshot_packs: { snapshot: string; node: string; pack: string; live_bytes: number }

  jobs: {
    id: string
    kind: 'backup' | 'restore' | 'move' | 'clone' | 'undo' | 'release'
    state: 'queued' | 'running' | 'waiting' | 'done' | 'failed' | 'cancelled'
    node: string
    source: string | null
    snapshot: string | null
    trigger: string
    steps: string
    error: string | null
    created_at: number
    started_at: number | null
    ended_at: number | null
    created_by: string
    downtime_ms: number | null
    /** 1, 0, or null where it is not known. */
    inventory_equal: number | null
    cancel_asked: number
    discard_owed: number
    /** Statements as they arrived, for asking again and for the record. */
    order_statement: Uint8Array | null
    fenced_statement: Uint8Array | null
    outcome_statement: Uint8Array | null
    /** What the source captured last, in a move. */
    final_snapshot: string | null
    fenced_at: number | null
    /** Of a backup that is done. */
    warnings: number | null
    /** Of a move whose order attests that its source is off. */
    unfenced: 'attested' | 'owed' | 'fenced' | null
    /** The job that an undo takes back, or under which the node of a release was fenced. */
    undoes: string | null
  }
  /** An order is used once: by the hash of its statement. */
  orders: { hash: string; job: string; used_at: number }
  job_log: { id: number; job: string; at: number; sealed: Uint8Array }

  loose_headers: { snapshot: string }
  /** `node` '' is for all. */
  retention_policies: { node: string; policy: string | null }
  /** One row. */
  keeping: {
    id: 1
    lock_days: number
    lock_last: number
    grace_hours: number
    ran_at: number | null
    /** The hub's clock when it last was believed. */
    seen_at: number | null
    held_at: number | null
    scrubbed_at: number | null
  }

  schedules: {
    node: string
    /** JSON of a Schedule. */
    schedule: string
    since: number
    /** The target of a move to whom it was handed on. */
    handed_to: string | null
  }

  audit: {
    seq: number
    at: number
    actor: string
    action: string
    subject: string
    /** SHA-256 over the hash before and this entry, so that a changed or removed entry shows. */
    hash: string
  }
}

export type Database = Kysely<Schema>
