import type { Kysely } from 'kysely'
import { take } from './take.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    `create table vault (
      id integer primary key check (id = 1),
      root blob not null,
      set_up_at integer not null
    ) strict`,
    `create table vault_records (
      serial integer primary key,
      bytes blob not null,
      received_at integer not null
    ) strict`,
    `create table slots (
      id integer primary key,
      kind text not null,
      operator text,
      bytes blob not null
    ) strict`,
    `create table operators (
      id text primary key,
      name text not null,
      name_key text not null unique,
      password text not null,
      created_at integer not null
    ) strict`,
    `create table sessions (
      hash text primary key,
      operator text not null references operators (id) on delete cascade,
      created_at integer not null,
      seen_at integer not null
    ) strict, without rowid`,
    `create table api_tokens (
      id text primary key,
      operator text not null references operators (id) on delete cascade,
      label text not null,
      hash text not null unique,
      created_at integer not null,
      used_at integer
    ) strict`,
    `create table nodes (
      id text primary key,
      key text not null unique,
      label text not null,
      state text not null check (state in ('active', 'quarantined', 'revoked')),
      seq_stored integer not null,
      seq_pending integer,
      boot text not null,
      ticket blob not null,
      enrolment blob not null,
      agent_version text not null,
      enrolled_at integer not null,
      last_seen_at integer,
      moved_to text references nodes (id)
    ) strict`,
    `create table tickets (
      id text primary key,
      key text not null,
      label text not null,
      expires_at integer not null,
      statement blob not null,
      created_at integer not null,
      used_at integer,
      node text references nodes (id)
    ) strict`,
    `create table packs (
      node text not null references nodes (id),
      id text not null,
      class text not null,
      bytes integer not null,
      received_at integer not null,
      primary key (node, id)
    ) strict, without rowid`,
    'create index packs_by_id on packs (id)',
    `create table snapshots (
      id text primary key,
      node text not null references nodes (id),
      seq integer not null,
      header blob not null,
      "trigger" text not null,
      started_at integer not null,
      finished_at integer not null,
      received_at integer not null,
      openclaw text not null,
      metrics text not null,
      stored_bytes integer not null,
      unique (node, seq)
    ) strict`,
    `create table snapshot_packs (
      snapshot text not null references snapshots (id) on delete cascade,
      node text not null,
      pack text not null,
      live_bytes integer not null,
      primary key (snapshot, pack),
      foreign key (node, pack) references packs (node, id)
    ) strict, without rowid`,
    'create index snapshot_packs_by_pack on snapshot_packs (node, pack)',
    `create table jobs (
      id text primary key,
      kind text not null check (kind in ('backup', 'restore', 'move', 'clone')),
      state text not null
        check (state in ('queued', 'running', 'waiting', 'done', 'failed', 'cancelled')),
      node text not null references nodes (id),
      source text references nodes (id),
      snapshot text,
      "trigger" text not null,
      steps text not null,
      error text,
      created_at integer not null,
      started_at integer,
      ended_at integer,
      created_by text not null,
      downtime_ms integer,
      inventory_equal integer,
      cancel_asked integer not null default 0,
      order_statement blob,
      fenced_statement blob,
      outcome_statement blob,
      final_snapshot text,
      discard_owed integer not null default 0,
      fenced_at integer
    ) strict`,
    'create index jobs_by_node on jobs (node, created_at)',
    'create index jobs_by_source on jobs (source, created_at)',
    `create index jobs_at_work on jobs (created_at) where state in ('queued', 'running', 'waiting')`,
    `create table orders (
      hash text primary key,
      job text not null references jobs (id),
      used_at integer not null
    ) strict, without rowid`,
    `create table job_log (
      id integer primary key,
      job text not null references jobs (id) on delete cascade,
      at integer not null,
      sealed blob not null
    ) strict`,
    'create index job_log_by_job on job_log (job, id)',
    `create table audit (
      seq integer primary key,
      at integer not null,
      actor text not null,
      action text not null,
      subject text not null,
      hash text not null
    ) strict`,
  ]
  await take(db, statements)
}
