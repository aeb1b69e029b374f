import { type Job, OcmError, type Trigger } from '@ocm/protocol'
import { type Selectable, sql } from 'kysely'
import type { JobCatalog, StoredJob } from '../jobs/ports.ts'
import type { Database, Schema } from './schema.ts'

/** Their epochs rise, but for what two operators order at the same moment. */
const NEWEST_MOVES = 8

/** Counted here, as everywhere: PostgreSQL would leave a gap after what failed, and not know how far a copy had come. */
const nextLine = sql<number>`(select coalesce(max(id), 0) + 1 from job_log)`

const UNFINISHED = ['queued', 'running', 'waiting'] as const

export const jobsIn = (db: Database): JobCatalog => ({
  addJob: (job, orderHash) =>
    db.transaction().execute(async (tx) => {
      // A snapshot that a job refers to does not go; one that has gone is referred to no more.
      if (job.job.kind !== 'backup' && job.job.snapshot !== null) {
        const base = await tx
          .selectFrom('snapshots')
          .select('pruned_at')
          .where('id', '=', job.job.snapshot)
          .executeTakeFirst()
        if (!base) throw new OcmError('not-found', { what: 'snapshot' })
        if (base.pruned_at !== null) throw new OcmError('snapshot-pruned')
      }
      const added = await tx
        .insertInto('jobs')
        .values(rowOf(job))
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      if (added.numInsertedOrUpdatedRows !== 1n) return false
      if (orderHash !== null) {
        await tx
          .insertInto('orders')
          .values({ hash: orderHash, job: job.job.id, used_at: job.job.createdAt })
          .execute()
      }
      return true
    }),

  async saveJob(job) {
    const { id, ...row } = rowOf(job)
    await db.updateTable('jobs').set(row).where('id', '=', id).execute()
  },

  async job(id) {
    const row = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
    return row && storedFrom(row)
  },

  async jobs(node) {
    const rows = await db
      .selectFrom('jobs')
      .selectAll()
      .$if(node !== undefined, (query) =>
        query.where((is) => is.or([is('node', '=', node ?? ''), is('source', '=', node ?? '')])),
      )
      .orderBy('created_at', 'desc')
      .limit(500)
      .execute()
    return rows.map(jobFrom)
  },

  async unfinished() {
    const rows = await db
      .selectFrom('jobs')
      .selectAll()
      .where('state', 'in', UNFINISHED)
      .orderBy('created_at')
      .orderBy('id')
      .execute()
    return rows.map(storedFrom)
  },

  async ofOrder(hash) {
    const row = await db
      .selectFrom('jobs')
      .selectAll('jobs')
      .innerJoin('orders', 'orders.job', 'jobs.id')
      .where('orders.hash', '=', hash)
      .executeTakeFirst()
    return row && storedFrom(row)
  },

  async movesOf(source) {
    const rows = await db
      .selectFrom('jobs')
      .select('order_statement')
      .where('kind', '=', 'move')
      .where('source', '=', source)
      .orderBy('created_at', 'desc')
      .limit(NEWEST_MOVES)
      .execute()
    return rows.flatMap(({ order_statement: order }) => order ?? [])
  },

  async owedTo(source) {
    const rows = await db
      .selectFrom('jobs')
      .selectAll()
      .where('source', '=', source)
      .where('unfenced', '=', 'owed')
      .where('state', 'not in', UNFINISHED)
      .orderBy('created_at')
      .execute()
    return rows.map(storedFrom)
  },

  async fences() {
    const rows = await db
      .selectFrom('jobs as move')
      .select(['move.id', 'move.node', 'move.source', 'move.unfenced', 'move.state'])
      .select((is) => is('move.outcome_statement', 'is not', null).as('has_word'))
      .where('move.kind', '=', 'move')
      .where((is) =>
        is.or([
          is('move.unfenced', '=', 'owed'),
          is.and([
            is('move.state', 'in', ['failed', 'cancelled']),
            is('move.fenced_statement', 'is not', null),
            is('move.outcome_statement', 'is', null),
            is.not(
              is.exists(
                is
                  .selectFrom('jobs as later')
                  .select('later.id')
                  .whereRef('later.node', '=', 'move.source')
                  .whereRef('later.created_at', '>', 'move.created_at')
                  .where('later.kind', 'in', ['restore', 'clone', 'move', 'release'])
                  .where('later.state', '=', 'done'),
              ),
            ),
          ]),
        ]),
      )
      .execute()
    const fences = new Map<string, { job: string; state: 'owed' | 'held' }>()
    for (const { id: job, node, source, unfenced, state: ended, has_word } of rows) {
      // One that failed with a word of its target was taken back: the source may be fenced, and has still to hear of it.
      const isTakenBack = ended === 'failed' && Boolean(has_word)
      const state = unfenced === 'owed' && !isTakenBack ? 'owed' : 'held'
      if (source !== null) fences.set(source, { job, state })
      if (state === 'owed') fences.set(node, { job, state })
    }
    return fences
  },

  async discardsOwed(node) {
    const rows = await db
      .selectFrom('jobs')
      .selectAll()
      .where('node', '=', node)
      .where('discard_owed', '=', 1)
      .execute()
    return rows.map(storedFrom)
  },

  async addLog(job, at, sealed) {
    await db.insertInto('job_log').values({ id: nextLine, job, at, sealed }).execute()
  },

  log: (job) =>
    db
      .selectFrom('job_log')
      .select(['at', 'sealed'])
      .where('job', '=', job)
      .orderBy('id')
      .limit(10_000)
      .execute(),
})

type Row = Selectable<Schema['jobs']>

const jobFrom = (row: Row): Job => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  node: row.node,
  source: row.source,
  snapshot: row.snapshot,
  steps: JSON.parse(row.steps) as Job['steps'],
  error: row.error === null ? null : (JSON.parse(row.error) as Job['error']),
  createdAt: row.created_at,
  startedAt: row.started_at,
  endedAt: row.ended_at,
  createdBy: row.created_by,
  downtimeMs: row.downtime_ms,
  inventoryEqual: row.inventory_equal === null ? null : row.inventory_equal === 1,
  ...(row.warnings !== null && { warnings: row.warnings }),
  ...(row.unfenced !== null && { unfenced: row.unfenced }),
  ...(row.undoes !== null && { undoes: row.undoes }),
})

const storedFrom = (row: Row): StoredJob => ({
  job: jobFrom(row),
  trigger: row.trigger as Trigger,
  cancelAsked: row.cancel_asked === 1,
  discardOwed: row.discard_owed === 1,
  order: row.order_statement,
  fenced: row.fenced_statement,
  outcome: row.outcome_statement,
  finalSnapshot: row.final_snapshot,
  fencedAt: row.fenced_at,
})

const rowOf = ({ job, ...more }: StoredJob): Row => ({
  id: job.id,
  kind: job.kind,
  state: job.state,
  node: job.node,
  source: job.source,
  snapshot: job.snapshot,
  trigger: more.trigger,
  steps: JSON.stringify(job.steps),
  error: job.error === null ? null : JSON.stringify(job.error),
  created_at: job.createdAt,
  started_at: job.startedAt,
  ended_at: job.endedAt,
  created_by: job.createdBy,
  downtime_ms: job.downtimeMs,
  inventory_equal: typeof job.inventoryEqual === 'boolean' ? Number(job.inventoryEqual) : null,
  cancel_asked: more.cancelAsked ? 1 : 0,
  discard_owed: more.discardOwed ? 1 : 0,
  order_statement: more.order,
  fenced_statement: more.fenced,
  outcome_statement: more.outcome,
  final_snapshot: more.finalSnapshot,
  fenced_at: more.fencedAt,
  warnings: job.warnings ?? null,
  unfenced: job.unfenced ?? null,
  undoes: job.undoes ?? null,
})
