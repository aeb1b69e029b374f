/** Any failure as what people are shown: a code, one sentence and the next step. */
import { doneOrThrow } from '@ocm/operator'
import { type Job, OcmError } from '@ocm/protocol'

export interface Problem {
  readonly code: string
  readonly says: string
  readonly next: string
  /** To be found in the hub's log, when the hub itself failed. */
  readonly requestId: string | undefined
}

/** What is not an OcmError was not expected: it is shown as 'internal' and told to the console, where its stack is. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof OcmError)) {
    reportError(error)
    return problemOf(new OcmError('internal'))
  }
  const { requestId, code } = error.facts
  return {
    // A code that this build does not know stands among the facts.
    code: error.code === 'internal' && typeof code === 'string' ? code : error.code,
    says: error.message,
    next: error.next,
    requestId: typeof requestId === 'string' ? requestId : undefined,
  }
}

/** Why a job failed; undefined for one that did not. */
export function problemOfJob(job: Job): Problem | undefined {
  if (job.state !== 'failed') return undefined
  try {
    doneOrThrow(job)
    return undefined
  } catch (error) {
    return problemOf(error)
  }
}
