/** What is told while a snapshot is written: how far it is, and what could not be read. */
import { type Entry, OcmError, type Plan, pathFromBytes } from '@ocm/protocol'
import type { Damage } from '../reading/write-files.ts'
import type { Placed } from './units.ts'
import { type Work, report } from './work.ts'

/** @throws OcmError 'pack-damaged', 'pack-missing', unless an operator has chosen to go on without what is lost */
export function checkDamages(
  work: Work,
  job: string,
  plan: Plan,
  damages: readonly Damage[],
): void {
  const [first] = damages
  if (!first) return
  const names = damages.map(({ entry, code }) => `${nameOf(entry)} (${code})`)
  const goesOn = plan.choices.partial === true
  const what = goesOn ? 'Left out, because it cannot be read' : 'Cannot be read'
  work.hub.log(job, `${what}: ${names.join(', ')}.`)
  if (!goesOn) throw new OcmError(first.code, { count: damages.length })
}

const nameOf = ({ root, path }: Entry): string => `${root}:${pathFromBytes(path).toWellFormed()}`

interface Counter {
  readonly total: number
  add(bytes: number): void
}

const STEPS_SHOWN = 200

export function counter(work: Work, job: string, placed: readonly Placed[]): Counter {
  const total = placed.reduce((sum, { entry }) => sum + entry.size, 0)
  const every = Math.max(total / STEPS_SHOWN, 256 * 1024)
  let done = 0
  let shown = 0
  report(work, job, 'writing', 0, total, 'bytes')
  return {
    total,
    add(bytes) {
      done += bytes
      if (done - shown < every && done !== total) return
      shown = done
      report(work, job, 'writing', done, total, 'bytes')
    },
  }
}
