/** What may be asked of all jobs together. */
import { nodesOf } from '@ocm/protocol'
import type { JobCatalog } from './ports.ts'

/** @returns for each node with jobs that have not ended, the oldest of them: the one that is at work on it. */
export async function jobsAtWork({
  unfinished,
}: Pick<JobCatalog, 'unfinished'>): Promise<ReadonlyMap<string, string>> {
  const at = new Map<string, string>()
  for (const { job } of await unfinished()) {
    for (const node of nodesOf(job)) if (!at.has(node)) at.set(node, job.id)
  }
  return at
}

/** @returns when one of them last was moved to the other, or that was undone; undefined when it never was. */
export async function movedBetween(
  { jobs }: Pick<JobCatalog, 'jobs'>,
  one: string,
  other: string,
): Promise<number | undefined> {
  const times = (await jobs(one))
    .filter(({ kind, state }) => kind === 'undo' || (kind === 'move' && state === 'done'))
    .filter(({ node, source }) => [node, source].includes(one) && [node, source].includes(other))
    .map(({ endedAt, createdAt }) => endedAt ?? createdAt)
  return times.length === 0 ? undefined : Math.max(...times)
}
