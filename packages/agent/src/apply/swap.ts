/** Which renames put a staged tree in place, made when the gateway has stopped and nothing changes any more. */
import { type Layout, isWithin } from '@ocm/protocol'
import { exists, parentOf, statOf } from './disk.ts'
import type { TargetRecord } from './journal.ts'
import type { Rename } from './renames.ts'
import { tombstoneOf } from './tombstone.port.ts'
import { type Unit, mountPoints } from './units.ts'

/** Files that SQLite keeps beside a database; one that is left beside another database destroys it. */
export const SIDES = ['-wal', '-shm', '-journal']

/**
 * First what is live goes aside, then what is made anew is carried over, then what is staged takes its place.
 * @param regenerable names below the state directory.
 */
export async function planSwap(
  { units, job }: Pick<TargetRecord, 'units' | 'job'>,
  was: Layout,
  regenerable: readonly string[],
): Promise<readonly Rename[]> {
  const aside: Rename[] = []
  const into: Rename[] = []
  for (const { live, stage, before } of units) {
    if (await exists(live)) aside.push({ from: live, to: before, own: 'to' })
    const isDirectory = (await statOf(stage))?.isDirectory() ?? false
    for (const side of isDirectory ? [] : SIDES) {
      if (await exists(live + side)) {
        aside.push({ from: live + side, to: before + side, own: 'to' })
      }
    }
    into.push({ from: stage, to: live, own: 'from' })
  }
  const state = was.roots['state'] as string
  const tombstone = tombstoneOf(state)
  if (await exists(tombstone)) {
    aside.push({ from: tombstone, to: `${tombstone}.ocm-before-${job}`, own: 'to' })
  }
  return [...aside, ...(await carried(units, state, regenerable)), ...into]
}

async function carried(
  units: readonly Unit[],
  state: string,
  regenerable: readonly string[],
): Promise<readonly Rename[]> {
  const unit = units.find(({ target }) => isWithin(target, state))
  if (!unit) return []
  const inside = state.slice(unit.target.length)
  const mounts = await mountPoints()
  const renames: Rename[] = []
  for (const name of regenerable) {
    const live = `${unit.live}${inside}/${name}`
    const to = `${unit.stage}${inside}/${name}`
    const isFree = (await exists(parentOf(to))) && !(await exists(to))
    // What is mounted there is left with the old tree, and made anew in the new one.
    if (isFree && (await exists(live)) && !mounts.has(live)) {
      renames.push({ from: `${unit.before}${inside}/${name}`, to, own: 'from' })
    }
  }
  return renames
}
