/** What this agent does when the hub asks: each request of TO_AGENT, answered by a use case. */
import { type AgentSession, type JobId, base64url, fromBase64url } from '@ocm/protocol'
import type { Apply } from './apply/apply.ts'

export interface UseCases {
  readonly apply: Apply
  /** @param record the newest vault record, as it arrived. @returns the snapshot. */
  capture(
    job: JobId,
    trigger: 'manual' | 'schedule' | 'move' | 'before-apply',
    record: Uint8Array,
  ): Promise<string>
}

export function answerRequests(session: AgentSession, { apply, capture }: UseCases): void {
  session.handle('describe', async ({ record }) => ({
    description: base64url(await apply.describe(fromBase64url(record))),
  }))
  session.handle('capture', async ({ job, trigger, record }) => ({
    snapshot: await capture(job, trigger, fromBase64url(record)),
  }))
  session.handle('stage', ({ job, order, record, header, source }) =>
    apply.stage({
      job,
      order: fromBase64url(order),
      record: fromBase64url(record),
      header: fromBase64url(header),
      source: fromBase64url(source),
    }),
  )
  session.handle('fence', async ({ job, order, record }) => {
    const { fenced } = await apply.fence({
      job,
      order: fromBase64url(order),
      record: fromBase64url(record),
    })
    return { fenced: base64url(fenced) }
  })
  session.handle('activate', async ({ job, fenced, header }) => {
    const done = await apply.activate({
      job,
      fenced: fromBase64url(fenced),
      header: fromBase64url(header),
    })
    return { ...done, outcome: base64url(done.outcome) }
  })
  session.handle('release', async ({ job, order, abort }) => {
    await apply.release({ job, order: fromBase64url(order), abort: fromBase64url(abort) })
    return {}
  })
  session.handle('discard', async ({ job }) => {
    await apply.discard(job)
    return {}
  })
}
