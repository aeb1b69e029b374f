/** Whether somebody waits for this node: then it comes back to its hub soon, however often the link was cut. */
import type { JobRecord } from './journal.ts'
import type { Work } from './work.ts'

/** So long after FENCED its target's word may come; a node that has gone on elsewhere for good is in no hurry. */
const WAITING_MS = 60 * 60 * 1000

export const isPressing = async ({ journal, now }: Work): Promise<boolean> =>
  (await journal.all()).some((record) => isAwaited(record, now()))

function isAwaited(record: JobRecord, now: number): boolean {
  switch (record.state) {
    case 'prepared':
    case 'staged':
    case 'stopping':
    case 'swapping':
    case 'swapped':
    case 'spoke':
    case 'rolling-back':
    case 'undoing':
    case 'redoing':
    case 'putting-back':
    case 'releasing':
      return true
    case 'fenced':
      return Math.abs(now - (record.fencedAt ?? 0)) < WAITING_MS
    case 'committed':
    case 'aborted':
    case 'undone':
    case 'put-back':
    case 'released':
    case 'superseded':
      return false
  }
}
