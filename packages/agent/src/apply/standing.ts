/** By which orders this node is fenced, and what says so beside its state directory. */
import type { JobRecord, SourceRecord } from './journal.ts'
import { type Tombstone, tombstoneOf } from './tombstone.port.ts'
import type { Work } from './work.ts'

/** Under another job than this. */
export async function fencedUnder(work: Work, job: string): Promise<SourceRecord | undefined> {
  const all = await work.journal.all()
  return all.find(
    (one): one is SourceRecord =>
      one.role === 'source' && one.job !== job && one.state === 'fenced',
  )
}

/** What another order has begun to fence, and goes on with whatever becomes of this one: its target speaks already. */
export async function toBeFenced(work: Work, job: string): Promise<SourceRecord | undefined> {
  const all = await work.journal.all()
  return all.find(
    (one): one is SourceRecord =>
      one.role === 'source' && one.job !== job && one.state === 'stopping' && one.unfenced === true,
  )
}

export const tombstoneBy = (
  work: Work,
  { order, fenceEpoch, target, kept }: SourceRecord,
): Tombstone => ({ v: 1, order, fenceEpoch, successor: target, at: work.now(), kept })

/** Beside the directory by the name that OpenClaw knows it by, which may be a link. */
export const tombstoneFor = ({ gateway, stateDirectory }: SourceRecord): string =>
  tombstoneOf(gateway?.layout.roots['state'] ?? stateDirectory)

export const strayOf = ({ job }: Pick<JobRecord, 'job'>) => `.ocm-stray-${job}`
