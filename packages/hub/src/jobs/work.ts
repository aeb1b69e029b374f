/**
 * One job at work. Everything it learns is in the catalog before it goes on, so a job can be taken up after a restart
 * of the hub: steps that are done are passed over, and the one that was cut off is asked for again, which agents
 * answer by going on or as before.
 */
import {
  isFinal,
  type Job,
  type JobStep,
  type MethodOf,
  OcmError,
  type ParamsOf,
  type ResultOf,
  type TO_AGENT,
} from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { Presence } from '../nodes/presence.ts'
import type { JobCatalog, StoredJob } from './ports.ts'

/** How long a busy node is left alone, and how often progress is written down. */
const BUSY_MS = 3_000
const KEEP_PROGRESS_MS = 2_000

export interface WorkNeeds {
  readonly jobs: JobCatalog
  readonly presence: Presence
  readonly publish: Publish
  readonly now: () => number
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  /** A node is waited for: answers whether somebody has to lend a credential before it can come; `asks` if it turns out so. */
  readonly wanted?: (node: string, asks: () => Promise<void>) => Promise<boolean>
}

/** The agent, or what it needed of us, was out of reach: nothing has been decided, it is asked again. */
const PASSING: ReadonlySet<string> = new Set([
  'link-lost',
  'deadline-passed',
  'hub-unreachable',
  'catalog-failed',
])

/** The hub stops; the job is taken up at its next start. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
}

type Ask = <M extends MethodOf<typeof TO_AGENT>>(
  node: string,
  method: M,
  params: () => Promise<ParamsOf<typeof TO_AGENT, M>>,
) => Promise<ResultOf<typeof TO_AGENT, M>>

export interface Progress {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly unit: 'bytes' | 'items'
}

export class Work {
  #stored: StoredJob
  readonly #needs: WorkNeeds
  readonly #stopping = new AbortController()
  #progressKeptAt = 0

  constructor(stored: StoredJob, needs: WorkNeeds) {
    this.#stored = stored
    this.#needs = needs
  }

  get stored(): StoredJob {
    return this.#stored
  }
  get job(): Job {
    return this.#stored.job
  }
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  /** Reads it anew; false when it has ended meanwhile. */
  async refresh(): Promise<boolean> {
    const stored = await this.#needs.jobs.job(this.job.id)
    if (!stored || isFinal(stored.job.state)) return false
    this.#stored = stored
    return true
  }

  /** Whatever is asked of an agent now is given up. */
  abort(reason: Error): void {
    this.#stopping.abort(reason)
  }

  /** The order's statement; a job of a kind that has one cannot be without it. */
  get order(): Uint8Array {
    if (!this.#stored.order) throw new OcmError('internal', { what: 'order' })
    return this.#stored.order
  }

  /** On disk when it is answered, and then told to whoever watches. */
  async save(more: Partial<Omit<StoredJob, 'job'>>, job: Partial<Job> = {}): Promise<void> {
    this.#stored = { ...this.#stored, ...more, job: { ...this.job, ...job } }
    await this.#needs.jobs.saveJob(this.#stored)
    this.#needs.publish({ kind: 'job-changed', job: this.job })
  }

  /** Also one that was passed over. */
  isDone(step: string): boolean {
    return this.job.steps.some(
      ({ name, state }) => name === step && (state === 'done' || state === 'skipped'),
    )
  }
  isBegun(step: string): boolean {
    return this.job.steps.some(({ name, state }) => name === step && state !== 'pending')
  }

  /** @param run answers 'skipped' when there was nothing to do. */
  async step(name: string, run: () => Promise<void | 'skipped'>): Promise<void> {
    this.signal.throwIfAborted()
    if (this.isDone(name)) return
    const { now } = this.#needs
    const begun = this.job.steps.find((step) => step.name === name)?.startedAt ?? now()
    await this.#saveStep(name, { state: 'running', startedAt: begun })
    let skipped: boolean
    try {
      skipped = (await run()) === 'skipped'
    } catch (error) {
      if (!(error instanceof Stopped)) {
        await this.#saveStep(name, { state: 'failed', endedAt: now() })
      }
      throw error
    }
    const state = skipped ? 'skipped' : 'done'
    await this.#saveStep(name, { state, endedAt: now(), phase: 'finished' })
  }

  /**
   * Asks until there is an answer: a node that is gone is waited for, a busy one asked again.
   * @throws OcmError what the agent answered; or the reason of an abort
   */
  ask: Ask = async (node, method, params) => {
    const { presence, pause } = this.#needs
    for (;;) {
      let conversation = presence.get(node)
      if (!conversation) {
        await this.#waitFor(node)
        conversation = await presence.whenOnline(node, this.signal)
      }
      await this.#be('running')
      try {
        const asked = await params()
        const { result } = await conversation.request(method, asked, {
          deadlineMs: Number.POSITIVE_INFINITY,
          signal: this.signal,
        })
        return result
      } catch (error) {
        this.signal.throwIfAborted()
        if (!(error instanceof OcmError)) throw error
        if (PASSING.has(error.code)) {
          await this.#be('waiting')
          await Promise.race([conversation.closed, pause(BUSY_MS, this.signal)])
        } else if (error.code === 'node-busy') {
          await this.#be('waiting')
          await pause(BUSY_MS, this.signal)
        } else {
          throw error
        }
      }
    }
  }

  /** Told at once, written down now and then. */
  async progress(said: Progress): Promise<void> {
    const { phase, ...progress } = said
    const steps = this.job.steps.map((step) =>
      step.state === 'running' ? { ...step, phase, progress } : step,
    )
    this.#stored = { ...this.#stored, job: { ...this.job, steps } }
    this.#needs.publish({ kind: 'job-changed', job: this.job })
    const at = this.#needs.now()
    if (at - this.#progressKeptAt < KEEP_PROGRESS_MS) return
    this.#progressKeptAt = at
    await this.#needs.jobs.saveJob(this.#stored)
  }

  async finish(outcome: 'done' | 'cancelled' | OcmError): Promise<void> {
    const failed = outcome instanceof OcmError
    const steps = this.job.steps.map((step) =>
      step.state === 'pending' || step.state === 'running'
        ? { ...step, state: 'skipped' as const }
        : step,
    )
    await this.save(
      {},
      {
        state: failed ? 'failed' : outcome,
        error: failed ? { code: outcome.code, facts: { ...outcome.facts } } : null,
        endedAt: this.#needs.now(),
        steps,
        ...this.#notAsking(),
      },
    )
  }

  async #be(state: 'running' | 'waiting'): Promise<void> {
    if (this.job.state !== state) await this.save({}, { state, ...this.#notAsking() })
  }

  async #waitFor(node: string): Promise<void> {
    const asks = async () => {
      const isWaiting = this.job.state === 'waiting' && !this.signal.aborted
      if (isWaiting) await this.save({}, { asks: [node] })
    }
    const isAsked = (await this.#needs.wanted?.(node, asks)) === true
    await this.save({}, { state: 'waiting', ...(isAsked ? { asks: [node] } : this.#notAsking()) })
  }

  #notAsking(): Pick<Job, 'asks'> {
    return this.job.asks === undefined ? {} : { asks: [] }
  }

  #saveStep(name: string, change: Partial<JobStep>): Promise<void> {
    return this.save(
      {},
      { steps: this.job.steps.map((step) => (step.name === name ? { ...step, ...change } : step)) },
    )
  }
}
