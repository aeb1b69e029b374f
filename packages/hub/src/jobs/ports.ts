/** What jobs need of a catalog. Times in milliseconds by the hub's clock. */
import type { Job, Trigger } from '@ocm/protocol'

/** A job with what only the hub needs of it. */
export interface StoredJob {
  readonly job: Job
  readonly trigger: Trigger
  readonly cancelAsked: boolean
  /** The target may still hold what the job staged. */
  readonly discardOwed: boolean
  /** Statements as they arrived. */
  readonly order: Uint8Array | null
  readonly fenced: Uint8Array | null
  readonly outcome: Uint8Array | null
  /** What the source of a move captured last. */
  readonly finalSnapshot: string | null
  /** When the source had said FENCED; of a source that was attested to be off, when it was first asked to. */
  readonly fencedAt: number | null
}

export interface JobCatalog {
  /** False when its id, or its order by hash, was used before. */
  addJob(job: StoredJob, orderHash: string | null): Promise<boolean>
  saveJob(job: StoredJob): Promise<void>
  job(id: string): Promise<StoredJob | undefined>
  /** Newest first; of one node, as target or as source. */
  jobs(node?: string): Promise<Job[]>
  /** Oldest first. */
  unfinished(): Promise<StoredJob[]>
  /** The job of an order, by the hash of its statement. */
  ofOrder(hash: string): Promise<StoredJob | undefined>
  /** The orders of the newest moves of a source. */
  movesOf(source: string): Promise<Uint8Array[]>
  /** Jobs that have ended with something that this source has still to hear: see Job.unfenced. */
  owedTo(source: string): Promise<StoredJob[]>
  /** See NodeState.fence. */
  fences(): Promise<Map<string, { job: string; state: 'owed' | 'held' }>>
  /** Jobs whose target has still to discard what they staged. */
  discardsOwed(node: string): Promise<StoredJob[]>
  addLog(job: string, at: number, sealed: Uint8Array): Promise<void>
  log(job: string): Promise<{ at: number; sealed: Uint8Array }[]>
}
