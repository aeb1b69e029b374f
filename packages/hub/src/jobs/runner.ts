/**
 * Which job is at work on which node: one at a time, the oldest first, and those that were begun before a restart
 * before all others. A move is at work on both of its nodes.
 */
import { type ErrorCode, type Job, isFinal, nodesOf, OcmError, toWireError } from '@ocm/protocol'
import { apply } from './apply.ts'
import { backUp } from './backup.ts'
import { move } from './move.ts'
import { createOwed } from './owed.ts'
import type { StoredJob } from './ports.ts'
import { release } from './release.ts'
import { undo } from './undo.ts'
import type { MoveNeeds } from './word.ts'
import { type Progress, Stopped, Work, type WorkNeeds } from './work.ts'

const DISCARD_MS = 60_000
/** After the catalog has failed. */
const AGAIN_MS = 5_000

export interface RunnerNeeds extends WorkNeeds, MoveNeeds {}

export interface Runner {
  /** Takes up every job that has not ended. */
  start(): Promise<void>
  /** Leaves them as they are, for the next start. */
  stop(): Promise<void>
  /** @throws OcmError 'order-invalid' with `why` 'used' */
  add(job: StoredJob, orderHash: string | null): Promise<void>
  /** @throws OcmError 'not-found', or 'cancel-too-late' when a live node is being changed */
  cancel(id: string): Promise<Job>
  /** As it is this moment; progress is newer here than in the catalog. */
  now(job: Job): Job
  progress(job: string, node: string, said: Progress): Promise<void>
  /** A node has come: it is told what it may throw away. */
  came(node: string): Promise<void>
  /** A job waits for something that does not come, or would when its turn comes. */
  giveUp(job: string, why: OcmError): Promise<void>
  /** A node will not come again. */
  gone(node: string, why: ErrorCode): void
}

const isBegun = ({ job }: StoredJob) => job.startedAt !== null

/** The step that changes a live node. */
const LAST_CANCELLABLE = {
  backup: null,
  restore: 'activate',
  clone: 'activate',
  move: 'fence',
  undo: 'undo',
  release: 'release',
} as const satisfies Record<Job['kind'], string | null>

const isCancellable = (job: Job): boolean => {
  const last = LAST_CANCELLABLE[job.kind]
  return !job.steps.some(({ name, state }) => name === last && state !== 'pending')
}

export function createRunner(needs: RunnerNeeds): Runner {
  const { jobs, presence, nodes, publish, now, log } = needs
  const active = new Map<string, Work>()
  const ending = new Set<Promise<void>>()
  const owed = createOwed(needs)
  const stopping = new AbortController()

  async function advance(): Promise<void> {
    if (stopping.signal.aborted) return
    const unfinished = await jobs.unfinished()
    const taken = new Set<string>()
    const inOrder = [...unfinished.filter(isBegun), ...unfinished.filter((job) => !isBegun(job))]
    for (const stored of inOrder) {
      const wanted = nodesOf(stored.job)
      const free = wanted.every((node) => !taken.has(node))
      for (const node of wanted) taken.add(node)
      if (free && !active.has(stored.job.id) && !stopping.signal.aborted) begin(stored)
    }
  }

  /** Never rejects: a catalog that cannot be asked is asked again. */
  async function advanceAtLast(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        return await advance()
      } catch (error) {
        log.error({ err: error }, 'jobs stand')
        await needs.pause(AGAIN_MS, stopping.signal).catch(() => undefined)
      }
    }
  }

  function begin(stored: StoredJob): void {
    const work = new Work(stored, needs)
    active.set(stored.job.id, work)
    const running = run(work).finally(() => {
      ending.delete(running)
      active.delete(stored.job.id)
    })
    ending.add(running)
    void running.then(advanceAtLast)
  }

  /** Never rejects: what cannot even be written down is tried again. */
  async function run(work: Work): Promise<void> {
    const { id, kind } = work.job
    try {
      if (!(await work.refresh())) return
      const outcome = await carryOut(work)
      if (outcome === undefined) return
      if (outcome !== 'done' && work.isBegun('stage')) {
        await work.save({ discardOwed: true })
      }
      await work.finish(outcome)
      log.info({ job: id, kind, state: work.job.state, code: work.job.error?.code }, 'job ended')
      if (work.stored.discardOwed) await came(work.job.node)
      // Now that nobody else writes the job.
      for (const node of nodesOf(work.job)) owed.tell(node)
    } catch (error) {
      log.error({ err: error, job: id }, 'job cannot be written down')
      await needs.pause(AGAIN_MS, work.signal).catch(() => undefined)
    }
  }

  /** Undefined when the hub stops. */
  async function carryOut(work: Work): Promise<'done' | 'cancelled' | OcmError | undefined> {
    try {
      if (work.stored.cancelAsked) return 'cancelled'
      await checkNodes(work.job)
      if (work.job.startedAt === null) await work.save({}, { startedAt: now(), state: 'running' })
      switch (work.job.kind) {
        case 'backup':
          await backUp(work, needs)
          break
        case 'restore':
        case 'clone':
          await apply(work, needs)
          publish({ kind: 'node-changed', node: work.job.node })
          break
        case 'move':
          await move(work, needs)
          break
        case 'undo':
          await undo(work, needs)
          break
        case 'release':
          await release(work, needs)
          break
      }
      return 'done'
    } catch (error) {
      if (error instanceof Stopped) return undefined
      // Nothing has been decided: it is taken up again, as after a restart.
      if (isCode(error, 'catalog-failed')) throw error
      if (work.stored.cancelAsked && isCode(error, 'job-cancelled')) return 'cancelled'
      if (error instanceof OcmError) return error
      log.error({ err: error, job: work.job.id }, 'job failed')
      return new OcmError('internal', {}, { cause: error })
    }
  }

  async function checkNodes(job: Job): Promise<void> {
    for (const id of nodesOf(job)) {
      const node = await nodes.node(id)
      if (!node || node.state === 'revoked') throw new OcmError('node-revoked')
      if (node.state === 'quarantined') throw new OcmError('node-cloned')
    }
  }

  async function came(node: string): Promise<void> {
    const conversation = presence.get(node)
    if (!conversation) return
    owed.tell(node)
    for (const stored of await jobs.discardsOwed(node)) {
      if (!isFinal(stored.job.state)) continue
      try {
        await conversation.request('discard', { job: stored.job.id }, { deadlineMs: DISCARD_MS })
        await jobs.saveJob({ ...stored, discardOwed: false })
      } catch (error) {
        // It stays owed, and is asked for when the node comes again.
        const { code } = toWireError(error)
        log.warn({ code, job: stored.job.id, node }, 'discard failed')
      }
    }
  }

  return {
    start: advance,

    async stop() {
      stopping.abort()
      for (const work of active.values()) work.abort(new Stopped())
      await Promise.all([...ending, owed.stop()])
    },

    async add(job, hash) {
      if (!(await jobs.addJob(job, hash))) throw new OcmError('order-invalid', { why: 'used' })
      publish({ kind: 'job-changed', job: job.job })
      await advance()
    },

    async cancel(id) {
      const stored = await jobs.job(id)
      if (!stored) throw new OcmError('not-found', { what: 'job' })
      // Asked last: it may have begun meanwhile.
      const work = active.get(id)
      if (work) {
        if (!isCancellable(work.job)) throw new OcmError('cancel-too-late')
        work.abort(new OcmError('job-cancelled'))
        await work.save({ cancelAsked: true })
        return work.job
      }
      if (isFinal(stored.job.state)) return stored.job
      if (!isCancellable(stored.job)) throw new OcmError('cancel-too-late')
      const job: Job = { ...stored.job, state: 'cancelled', endedAt: now() }
      await jobs.saveJob({ ...stored, cancelAsked: true, job })
      publish({ kind: 'job-changed', job })
      for (const node of nodesOf(job)) owed.tell(node)
      return job
    },

    now: (job) => active.get(job.id)?.job ?? job,

    async progress(id, node, said) {
      const work = active.get(id)
      if (work && nodesOf(work.job).includes(node)) await work.progress(said)
    },

    came,

    async giveUp(id, why) {
      const stored = await jobs.job(id)
      const work = active.get(id)
      if (work) return work.abort(why)
      if (!stored) return
      const idle = new Work(stored, needs)
      // Its turn does not come meanwhile.
      active.set(id, idle)
      try {
        if (!(await idle.refresh())) return
        if (idle.isBegun('stage')) await idle.save({ discardOwed: true })
        await idle.finish(why)
      } finally {
        active.delete(id)
      }
      if (idle.stored.discardOwed) await came(idle.job.node)
      for (const node of nodesOf(idle.job)) owed.tell(node)
      await advance()
    },

    gone(node, why) {
      for (const work of active.values()) {
        if (nodesOf(work.job).includes(node)) work.abort(new OcmError(why))
      }
    },
  }
}

const isCode = (error: unknown, code: ErrorCode) => error instanceof OcmError && error.code === code
