/** What this agent does when the hub asks: each request of TO_AGENT, answered by a use case. */
import {
  type AgentSession,
  type JobId,
  OcmError,
  type Trigger,
  base64url,
  fromBase64url,
} from '@ocm/protocol'
import type { Apply } from './apply/apply.ts'

export interface UseCases {
  readonly apply: Apply
  /** @param record the newest vault record, as it arrived. @returns the snapshot. */
  capture(job: JobId, trigger: Exclude<Trigger, 'move'>, record: Uint8Array): Promise<string>
  /** Runs one piece of work after another. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
  /** The same for work on what is live, which goes to its end whether the hub is there or not. */
  change<T>(work: () => Promise<T>): Promise<T>
}

export function answerRequests(session: AgentSession, cases: UseCases): void {
  const { apply, capture, inTurn, change } = cases
  session.handle('describe', async ({ record, wish }) => ({
    description: base64url(
      await apply.describe(
        fromBase64url(record),
        wish === undefined ? undefined : fromBase64url(wish),
      ),
    ),
  }))
  session.handle('capture', async ({ job, trigger, record }) => {
    // The last snapshot of a source is part of its fence, under an order.
    if (trigger === 'move') throw new OcmError('malformed', { what: 'request' })
    return { snapshot: await inTurn(() => capture(job, trigger, fromBase64url(record))) }
  })
  session.handle('stage', ({ job, order, record, header, source }) =>
    inTurn(() =>
      apply.stage({
        job,
        order: fromBase64url(order),
        record: fromBase64url(record),
        header: fromBase64url(header),
        source: fromBase64url(source),
      }),
    ),
  )
  // Not in turn: a trial takes minutes, and whoever discards the job ends it.
  session.handle('trial', ({ job }) => apply.trial(job))
  session.handle('fence', async ({ job, order, record }) => {
    const request = { job, order: fromBase64url(order), record: fromBase64url(record) }
    const { fenced } = await change(() => apply.fence(request))
    return { fenced: base64url(fenced) }
  })
  session.handle('activate', async ({ job, fenced, header }) => {
    const request = { job, fenced: fromBase64url(fenced), header: fromBase64url(header) }
    const done = await change(() => apply.activate(request))
    return { ...done, outcome: base64url(done.outcome) }
  })
  session.handle('release', async ({ job, order, abort }) => {
    const request = { job, order: fromBase64url(order), abort: fromBase64url(abort) }
    await change(() => apply.release(request))
    return {}
  })
  session.handle('undo', async ({ job, order, record }) => {
    const request = { job, order: fromBase64url(order), record: fromBase64url(record) }
    const { abort } = await change(() => apply.undo(request))
    return { abort: base64url(abort) }
  })
  session.handle('letGo', async ({ job, order, record }) => {
    const request = { job, order: fromBase64url(order), record: fromBase64url(record) }
    await change(() => apply.letGo(request))
    return {}
  })
  session.handle('discard', async ({ job }) => {
    await change(() => apply.discard(job))
    return {}
  })
}
