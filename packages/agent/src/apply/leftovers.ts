/** What an apply that has succeeded makes needless: one rollback copy is kept, that of the newest. */
import type { SourceRecord, TargetRecord } from './journal.ts'
import { removeTree } from './disk.ts'
import type { Work } from './work.ts'

/** A node that was moved away and is applied to goes on as a node of its own; its fence is over. */
export async function supersedeFence(work: Work, by: TargetRecord): Promise<void> {
  for (const record of await work.journal.all()) {
    if (record.role !== 'source' || record.state !== 'fenced') continue
    await work.journal.write<SourceRecord>({
      ...record,
      state: 'superseded',
      supersededBy: by.job,
      // Never run again from here, so what its gateway's environment held is not kept.
      gateway: null,
    })
  }
}

export async function removeOldCopies(work: Work, newest: TargetRecord): Promise<void> {
  for (const record of await work.journal.all()) {
    if (record.job === newest.job) continue
    if (record.role === 'target' && record.state === 'committed') {
      for (const { to, own } of record.renames) if (own === 'to') await removeTree(to)
    }
    const isOld = record.role === 'source' && record.state === 'superseded'
    if (isOld && record.supersededBy !== newest.job) await removeTree(record.kept)
  }
}
