/**
 * Which packs a run does not refer to although the hub holds them, so that what lives in them is stored again from its
 * sources: a node that only ever refers back would keep the hub from giving space back, and would split into ever more
 * small packs.
 */
import type { PackId } from '@ocm/protocol'
import type { CachedPack } from '../store/stat-cache.ts'

/** Less than this share of a pack in use: it is mostly dead. */
const MOSTLY_DEAD = 0.5
/** Smaller than this a pack is worth joining with others, when there are more than so many of its class. */
const SMALL_BYTES = 1024 * 1024
const MAY_BE_SMALL = 32
/** How much of a node's data is stored again by one run, at most. */
const SHARE = 0.05

/** @param packs those of the last snapshot. The deadest go first. */
export function packsToRenew(packs: readonly CachedPack[]): ReadonlySet<PackId> {
  const liveBytes = packs.reduce((bytes, pack) => bytes + pack.liveBytes, 0)
  const dead = packs.filter((pack) => pack.liveBytes < pack.plainBytes * MOSTLY_DEAD)
  const renewed = new Set<PackId>()
  let budget = liveBytes * SHARE
  for (const pack of [...dead.toSorted(byShare), ...tooSmall(packs)]) {
    if (renewed.has(pack.id) || pack.liveBytes > budget) continue
    budget -= pack.liveBytes
    renewed.add(pack.id)
  }
  return renewed
}

const shareOf = (pack: CachedPack) => pack.liveBytes / pack.plainBytes
const byShare = (a: CachedPack, b: CachedPack) => shareOf(a) - shareOf(b)

function tooSmall(packs: readonly CachedPack[]): readonly CachedPack[] {
  const small = packs.filter((pack) => pack.bytes < SMALL_BYTES)
  const byClass = Map.groupBy(small, (pack) => pack.class)
  return [...byClass.values()]
    .filter(({ length }) => length > MAY_BE_SMALL)
    .flat()
    .toSorted((a, b) => a.bytes - b.bytes)
}
