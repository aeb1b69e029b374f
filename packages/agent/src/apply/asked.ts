/** What is asked of an apply, and what it answers. Byte strings are the statements as they arrived. */

export interface StageRequest {
  readonly job: string
  readonly order: Uint8Array
  readonly record: Uint8Array
  /** The base snapshot's header statement. */
  readonly header: Uint8Array
  /** The public key of the node it is of. */
  readonly source: Uint8Array
}

export interface StageResult {
  /** Of plaintext, written. */
  readonly bytes: number
  /** Files that could not be read and were left out, which an operator had chosen. */
  readonly lost: number
}

/** How a trial ended; in the journal, because it is not made twice. */
export interface TrialOutcome {
  readonly ready: boolean
  readonly inventoryEqual: boolean | null
  readonly isolated: boolean
  readonly skipped?: true
}

export interface ActivateRequest {
  readonly job: string
  /** FENCED and the final snapshot's header; empty unless it is a move. */
  readonly fenced: Uint8Array
  readonly header: Uint8Array
}

export interface Activated {
  /** A SPEAK or ABORT statement. */
  readonly outcome: Uint8Array
  readonly spoke: boolean
  /** Why it aborted, as an error code; '' when it spoke. */
  readonly code: string
  readonly inventoryEqual: boolean | null
  /** When the gateway was found ready, by this node's clock; 0 when it aborted. */
  readonly startedAt: number
}

/** Something that an operator has signed, and the vault record to judge it by. */
export interface ByOperator {
  readonly job: string
  readonly order: Uint8Array
  readonly record: Uint8Array
}

export interface Apply {
  /**
   * To be called once, before the link is up. When it answers, everything live is wholly old or wholly new; a job that
   * has still to start its gateway goes on by itself, and what is needless is removed meanwhile.
   */
  recover(): Promise<void>
  /** Answers when what jobs have left behind that nobody needs is gone; they themselves answer before. */
  tidied(): Promise<void>
  /** A signed Description with a new nonce and a new job key. @param record the newest vault record */
  /** @param wish what a plan asks, sealed to the job key of the description before. */
  describe(record: Uint8Array, wish?: Uint8Array): Promise<Uint8Array>
  /** Writes the snapshot beside the live state; nothing live is touched. */
  stage(request: StageRequest): Promise<StageResult>
  /**
   * Starts OpenClaw on a copy of what is staged, mute and if possible without a network. A job that is not ready, or
   * lacks what was captured, ends here. @throws OcmError 'trial-failed', 'job-cancelled', 'job-cut-off'
   */
  trial(job: string): Promise<TrialOutcome>
  activate(request: ActivateRequest): Promise<Activated>
  /** Stops this node for good and answers its FENCED statement. */
  fence(request: {
    readonly job: string
    readonly order: Uint8Array
    readonly record: Uint8Array
  }): Promise<{ readonly fenced: Uint8Array }>
  /** Runs this node again after the target has said ABORT. */
  release(request: {
    readonly job: string
    readonly order: Uint8Array
    readonly abort: Uint8Array
  }): Promise<void>
  /**
   * Takes the newest apply back. @returns the ABORT of a move, else nothing.
   * @throws OcmError 'undo-refused', 'source-fenced', 'order-invalid'; why it failed, and then it stands
   */
  undo(request: ByOperator): Promise<{ readonly abort: Uint8Array }>
  /** Runs this fenced node again after an operator has attested that its target is off. @throws OcmError 'order-invalid' */
  letGo(request: ByOperator): Promise<void>
  /** Whether others wait for what this node does next. */
  isPressing(): Promise<boolean>
  /** @throws OcmError 'node-busy' while what is live is neither wholly old nor wholly new */
  checkAtRest(): Promise<void>
  /**
   * For an agent that goes for good: removes what is staged here, and what only an undo needs. What was put aside for a
   * move stays, because only its target knows whether it is needed, and so does what somebody had put in the way.
   * @returns how many such trees and files there are. @throws OcmError 'node-busy' as `checkAtRest`
   */
  leave(): Promise<{ readonly kept: number }>
  /** Throws away what a job staged; answers when nothing of it is left. */
  discard(job: string): Promise<void>
}
