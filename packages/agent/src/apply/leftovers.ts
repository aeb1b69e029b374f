/**
 * What an apply that has succeeded makes needless: one rollback copy is kept, that of the newest. What an undo took away
 * is kept as long, because nothing else has what was written since the apply.
 */
import type { JobRecord, SourceRecord, TargetRecord } from './journal.ts'
import { exists, removeTree } from './disk.ts'
import { strayOf } from './standing.ts'
import type { Work } from './work.ts'

/** Of all that were carried out here the one whose old trees are kept; it may have been taken back already. */
export function newestApply(records: readonly JobRecord[]): TargetRecord | undefined {
  const applied = records.filter(
    (record): record is TargetRecord => record.role === 'target' && record.applied !== undefined,
  )
  return applied.toSorted((a, b) => (b.applied ?? 0) - (a.applied ?? 0))[0]
}

/** A node that was moved away and is applied to goes on as a node of its own; its fence is over. */
export async function supersedeFence(work: Work, by: TargetRecord): Promise<void> {
  for (const record of await work.journal.all()) {
    if (record.role !== 'source' || record.state !== 'fenced') continue
    await work.journal.write<SourceRecord>({
      ...record,
      state: 'superseded',
      supersededBy: by.job,
      // Never run again from here, so what its gateway's environment held is not kept.
      gateway: record.gateway && { ...record.gateway, remembered: null },
    })
  }
}

/** The apply that had ended a fence was taken back, or has failed after all. */
export async function restoreFence(work: Work, undone: TargetRecord): Promise<void> {
  for (const record of await work.journal.all()) {
    if (record.role !== 'source' || record.supersededBy !== undone.job) continue
    const { supersededBy: _, ...fenced } = record
    await work.journal.write<SourceRecord>({ ...fenced, state: 'fenced' })
  }
}

/** @param newest whose copies are kept; undefined where nothing is gone back to any more. */
export async function removeOldCopies(work: Work, newest: TargetRecord | undefined): Promise<void> {
  for (const record of await work.journal.all()) {
    if (record.job === newest?.job) continue
    if (record.role === 'target' && record.state === 'committed') {
      for (const { to, own } of record.renames) if (own === 'to') await removeTree(to)
    }
    if (record.role === 'target' && record.state === 'undone') {
      for (const { from, own } of record.renames) if (own === 'from') await removeTree(from)
      for (const { to } of record.undo?.sides ?? []) await removeTree(to)
    }
    if (record.role === 'target' && record.graft && isFinal(record)) {
      await removeTree(record.graft.room)
    }
    const isOld = record.role === 'source' && record.state === 'superseded'
    if (isOld && record.supersededBy !== newest?.job) await removeTree(record.kept)
  }
}

/**
 * What was put aside and is nothing that OCM may remove: what a node was before it was moved away, which only its target
 * knows the worth of, and what somebody had put in the way of a rename.
 */
export async function notOurs(records: readonly JobRecord[]): Promise<readonly string[]> {
  const aside = records.flatMap((record) => {
    if (record.role === 'target') {
      return record.renames.flatMap(({ from, to }) => [from, to].map((at) => at + strayOf(record)))
    }
    const stray = record.stateDirectory + strayOf(record)
    return record.state === 'fenced' ? [record.kept, stray] : [stray]
  })
  const paths = [...new Set(aside)]
  const found = await Promise.all(paths.map(exists))
  return paths.filter((_, i) => found[i])
}

const isFinal = ({ state }: TargetRecord): boolean =>
  state === 'committed' || state === 'undone' || state === 'aborted'

/** Of what is over only the newest few stay in the journal, and whatever something on this disk still hangs on. */
export async function forgetOld({ journal }: Work): Promise<void> {
  const newest = newestApply(await journal.all())
  await journal.prune((record) => {
    if (record.role === 'target') {
      return record.job === newest?.job || !OVER.has(record.state)
    }
    return !OVER.has(record.state) || record.supersededBy === newest?.job
  })
}

const OVER: ReadonlySet<JobRecord['state']> = new Set([
  'committed',
  'aborted',
  'undone',
  'put-back',
  'released',
  'superseded',
])
