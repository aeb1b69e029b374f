/** Databases that are known to have changed before anything has been walked. */
import { lstatSync } from 'node:fs'
import { type PlacedPath, absoluteOf } from '@ocm/protocol'
import type { FoundThing, Survey } from '../installation.port.ts'
import type { StatCache } from '../store/stat-cache.ts'
import { fingerprintOf } from './database-copy.ts'
import { onDisk } from './on-disk.ts'
import { PathFailed, onPath } from './path-failed.ts'

/** Databases of the last snapshot that look otherwise now, as far as they are still what belongs to the installation. */
export function changedIn(survey: Survey, cache: StatCache): readonly FoundThing[] {
  return cache.databases.flatMap(({ entry, looks }) => {
    try {
      return changedFrom(survey, cache.placeOf(entry), looks)
    } catch (error) {
      // What is closed or gone is met again by the walk.
      if (error instanceof PathFailed) return []
      throw error
    }
  })
}

/** @throws PathFailed */
function changedFrom(
  { layout, classify }: Survey,
  place: PlacedPath,
  looks: string,
): readonly FoundThing[] {
  const absolute = absoluteOf(layout, place)
  if (absolute === undefined || onPath(() => fingerprintOf({ absolute })) === looks) return []
  const placement = classify(place, 'file')
  const stats = onPath(() => lstatSync(onDisk(absolute)))
  if (!('section' in placement) || !stats.isFile()) return []
  return [{ place, placement, kind: 'file', size: stats.size }]
}
