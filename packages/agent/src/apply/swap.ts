/** Which renames put a staged tree in place, made when the gateway has stopped and nothing changes any more. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { type Layout, isWithin } from '@ocm/protocol'
import type { Installation } from '../installation.port.ts'
import { exists, onDisk, parentOf, statOf } from './disk.ts'
import type { TargetRecord } from './journal.ts'
import type { Rename } from './renames.ts'
import { tombstoneOf } from './tombstone.port.ts'
import { type Unit, mountPoints } from './units.ts'

/** Files that SQLite keeps beside a database; one that is left beside another database destroys it. */
export const SIDES = ['-wal', '-shm', '-journal']

type Anew = Pick<Installation, 'regenerable' | 'regenerableInside'>

/**
 * First what is live goes aside, then what is made anew is carried over, then what is staged takes its place.
 * @param anew tells what is carried over: names below the state directory, and what lies deeper.
 */
export async function planSwap(
  { units, job }: Pick<TargetRecord, 'units' | 'job'>,
  was: Layout,
  anew: Anew,
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
  return [...aside, ...(await carried(units, state, anew)), ...into]
}

async function carried(
  units: readonly Unit[],
  state: string,
  anew: Anew,
): Promise<readonly Rename[]> {
  const unit = units.find(({ target }) => isWithin(target, state))
  if (!unit) return []
  const inside = state.slice(unit.target.length)
  const [live, fresh] = [`${unit.live}${inside}`, `${unit.stage}${inside}`]
  const deeper = (await anew.regenerableInside?.(live, fresh)) ?? []
  const mounts = await mountPoints()
  const renames: Rename[] = []
  for (const name of [...anew.regenerable, ...deeper]) {
    const to = `${fresh}/${name}`
    const isFree = (await exists(parentOf(to))) && !(await exists(to))
    // What is mounted there is left with the old tree, and made anew in the new one.
    if (!isFree || !(await exists(`${live}/${name}`)) || mounts.has(`${live}/${name}`)) continue
    if (name.includes('/') && !(await canLeave(`${live}/${name}`, to))) continue
    renames.push({ from: `${unit.before}${inside}/${name}`, to, own: 'from' })
  }
  return renames
}

/** What is of a plugin alone is not worth the whole apply: whoever made it may have closed it. */
async function canLeave(live: string, to: string): Promise<boolean> {
  const places = [parentOf(live), parentOf(to)]
  if ((await statOf(live))?.isDirectory() === true) places.push(live)
  for (const place of places) {
    try {
      await access(onDisk(place), constants.W_OK | constants.X_OK)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'EACCES' || code === 'EROFS') return false
      throw error
    }
  }
  return true
}
