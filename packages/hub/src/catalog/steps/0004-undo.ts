/** Jobs of kinds that were not thought of at first, what an undo takes back, and moves whose source is not fenced yet. */
import type { Kysely } from 'kysely'
import { take } from './take.ts'

/** SQLite cannot change a check; the table and those that refer to it are made anew, children gone before it goes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    `create table jobs_next (
      id text primary key,
      kind text not null,
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
      fenced_at integer,
      warnings integer,
      unfenced text check (unfenced in ('attested', 'owed', 'fenced')),
      undoes text references jobs_next (id)
    ) strict`,
    `insert into jobs_next (${COLUMNS}) select ${COLUMNS} from jobs`,
    `create table orders_next (
      hash text primary key,
      job text not null references jobs_next (id),
      used_at integer not null
    ) strict, without rowid`,
    'insert into orders_next select hash, job, used_at from orders',
    `create table job_log_next (
      id integer primary key,
      job text not null references jobs_next (id) on delete cascade,
      at integer not null,
      sealed blob not null
    ) strict`,
    'insert into job_log_next select id, job, at, sealed from job_log',
    'drop table orders',
    'drop table job_log',
    'drop table jobs',
    'alter table jobs_next rename to jobs',
    'alter table orders_next rename to orders',
    'alter table job_log_next rename to job_log',
    'create index jobs_by_node on jobs (node, created_at)',
    'create index jobs_by_source on jobs (source, created_at)',
    `create index jobs_at_work on jobs (created_at) where state in ('queued', 'running', 'waiting')`,
    `create index jobs_unfenced on jobs (source) where unfenced = 'owed'`,
    'create index job_log_by_job on job_log (job, id)',
  ]
  await take(db, statements)
}

const COLUMNS = [
  'id, kind, state, node, source, snapshot, "trigger", steps, error, created_at, started_at, ended_at, created_by',
  'downtime_ms, inventory_equal, cancel_asked, order_statement, fenced_statement, outcome_statement, final_snapshot',
  'discard_owed, fenced_at, warnings',
].join(', ')
