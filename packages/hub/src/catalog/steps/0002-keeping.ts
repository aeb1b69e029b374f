/** Retention, prune, collection and scrub. */
import type { Kysely } from 'kysely'
import { take } from './take.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    // 'deleting': its file may be gone already. See keeping/collect.ts.
    `alter table packs add column state text not null default 'live'
      check (state in ('live', 'tombstoned', 'deleting'))`,
    'alter table packs add column tombstoned_at integer',
    // A pack is hashed as it comes in, which counts as its first check.
    'alter table packs add column checked_at integer not null default 0',
    `alter table packs add column damage text check (damage in ('damaged', 'missing'))`,
    'alter table packs add column damaged_at integer',
    'update packs set checked_at = received_at',
    `create index packs_dying on packs (state, tombstoned_at) where state <> 'live'`,
    'create index packs_by_check on packs (checked_at)',
    'create index packs_damaged on packs (node, id) where damage is not null',

    'alter table snapshots add column pinned integer not null default 0',
    'alter table snapshots add column pruned_at integer',
    'alter table snapshots add column pruned_by text',
    'alter table snapshots add column verified_at integer',
    'create index snapshots_pruned on snapshots (pruned_at) where pruned_at is not null',

    'alter table jobs add column warnings integer',

    // Headers that may lie in the store although no snapshot has them: one is written before its commit, and is removed
    // after its snapshot was collected. What a crash leaves here is removed at the next start.
    'create table loose_headers (snapshot text primary key) strict, without rowid',
    // Of one node, or with '' of all; null keeps everything.
    'create table retention_policies (node text primary key, policy text) strict, without rowid',
    `create table keeping (
      id integer primary key check (id = 1),
      lock_days integer not null,
      lock_last integer not null,
      grace_hours integer not null,
      ran_at integer,
      seen_at integer,
      held_at integer,
      scrubbed_at integer
    ) strict`,
    'insert into keeping (id, lock_days, lock_last, grace_hours) values (1, 14, 7, 72)',
  ]
  await take(db, statements)
}
