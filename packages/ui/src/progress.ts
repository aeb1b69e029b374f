/** How far a job is, from its steps. */
import { type Job, isFinal } from '@ocm/protocol'

export type Step = Job['steps'][number]

/** The step that is at work or failed, the last one of a job that is done. */
export const stepAtHand = (job: Job): Step | undefined =>
  job.steps.find(({ state }) => state === 'running' || state === 'failed') ??
  job.steps.find(({ state }) => state === 'pending') ??
  job.steps.at(-1)

/** 0 to 1; undefined where nobody knows how much there is. */
export function shareOf({ state, progress }: Step): number | undefined {
  if (state === 'done' || state === 'skipped') return 1
  if (state === 'pending') return 0
  return progress.total === 0 ? undefined : Math.min(progress.done / progress.total, 1)
}

/** Of the step at hand, 0 to 1; undefined while nobody knows how much there is. */
export function shareDone(job: Job): number | undefined {
  if (job.state === 'done') return 1
  if (isFinal(job.state)) return 0
  const step = stepAtHand(job)
  return step === undefined || step.state === 'pending' ? undefined : shareOf(step)
}

/** Milliseconds at work so far, or altogether. */
export function elapsed(
  { startedAt, endedAt }: { readonly startedAt: number | null; readonly endedAt: number | null },
  now: number,
): number {
  return startedAt === null ? 0 : Math.max((endedAt ?? now) - startedAt, 0)
}
