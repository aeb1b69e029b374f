/** What a source had still to hear it has heard, or it need not any more. */
import type { Publish } from '../events.ts'
import type { JobCatalog, StoredJob } from './ports.ts'

export interface SettleNeeds {
  readonly jobs: Pick<JobCatalog, 'job' | 'saveJob'>
  readonly publish: Publish
}

/** @returns false when it is not owed any more: undone meanwhile. */
export async function settle(
  { jobs, publish }: SettleNeeds,
  id: string,
  more: Partial<StoredJob>,
  unfenced: 'fenced' | 'attested',
): Promise<boolean> {
  const now = await jobs.job(id)
  if (now?.job.unfenced !== 'owed') return false
  const job = { ...now.job, unfenced }
  await jobs.saveJob({ ...now, ...more, job })
  publish({ kind: 'job-changed', job })
  return true
}
