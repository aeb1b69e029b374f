/** The target's word at the end of a move. */
import { OcmError } from '@ocm/protocol'
import type { Logger } from 'pino'
import type { Publish } from '../events.ts'
import type { Presence } from '../nodes/presence.ts'
import { activate, type ApplyNeeds } from './apply.ts'
import type { Work } from './work.ts'

export interface MoveNeeds extends ApplyNeeds {
  readonly presence: Presence
  readonly publish: Publish
  readonly now: () => number
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: Logger
}

/** Between two times that a target which cannot leave off is asked again. */
const AGAIN_MS = 3_000

/**
 * Between FENCED and the target's word nobody speaks, so no failure is the end of it: the target is told to leave off, and
 * then has an ABORT to give. While it cannot even do that (a gateway that will not stop), it is asked again and again, and
 * why stands in the job.
 */
export async function wordOf(
  work: Work,
  needs: MoveNeeds,
  final: { readonly fenced: string; readonly header: string },
): ReturnType<typeof activate> {
  for (let round = 0; ; round++) {
    // Told to leave off it has an ABORT to give at once; one that has neither is not to be asked all the time.
    if (round > 1) await needs.pause(AGAIN_MS, work.signal)
    for (const method of ['activate', 'discard'] as const) {
      try {
        if (method === 'activate') return await activate(work, needs, final)
        await work.ask(work.job.node, method, async () => ({ job: work.job.id }))
      } catch (error) {
        work.signal.throwIfAborted()
        if (!(error instanceof OcmError)) throw error
        await work.save({}, { error: { code: error.code, facts: { ...error.facts } } })
        if (method === 'discard') await needs.pause(AGAIN_MS, work.signal)
      }
    }
  }
}
