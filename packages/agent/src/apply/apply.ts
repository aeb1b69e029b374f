/**
 * Applying a snapshot to this node, and fencing this node when it is moved away. Every request is idempotent by its
 * job: asked again, it goes on or answers as before. Byte strings are the statements as they arrived.
 */
import { OcmError } from '@ocm/protocol'
import type { ApplyParts } from './parts.port.ts'

export interface StageRequest {
  readonly job: string
  readonly order: Uint8Array
  readonly record: Uint8Array
  /** The base snapshot's header statement. */
  readonly header: Uint8Array
  /** The public key of the node it is of. */
  readonly source: Uint8Array
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

export interface Apply {
  /**
   * To be called once, before the link is up. When it answers, everything live is wholly old or wholly new; a job that
   * has still to start its gateway goes on by itself.
   */
  recover(): Promise<void>
  /** A signed Description with a new nonce and a new job key. @param record the newest vault record */
  describe(record: Uint8Array): Promise<Uint8Array>
  /** Writes the snapshot beside the live state; nothing live is touched. @returns plaintext bytes written */
  stage(request: StageRequest): Promise<{ readonly bytes: number }>
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
  /** Throws away what a job staged; answers when nothing of it is left. */
  discard(job: string): Promise<void>
}

export function createApply(parts: ApplyParts): Apply {
  const notYet = () => Promise.reject(new OcmError('internal', { node: parts.identity.id }))
  return {
    recover: notYet,
    describe: notYet,
    stage: notYet,
    activate: notYet,
    fence: notYet,
    release: notYet,
    discard: notYet,
  }
}
