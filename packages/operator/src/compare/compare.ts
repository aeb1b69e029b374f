/**
 * What differs between two snapshots, as a value: of one node at two moments or of two nodes. By meaning where there is
 * one, else entry by entry; where a node lies, its port, its tokens and what OpenClaw notes by itself are no difference.
 */
import type { Manifest, Section } from '@ocm/protocol'
import type { Comparison, Within } from './changes.ts'
import { compareEntries } from './entries.ts'
import { compareLists, sidesOf } from './lists.ts'
import { compareTrees, without } from './trees.ts'

/** @returns changes sorted by place; nothing in them when there is no difference that matters. */
export function compareManifests(a: Manifest, b: Manifest, within: Within = {}): Comparison {
  const { section, place, all = false } = within
  const sides = sidesOf(a, b)
  const machine = all ? [] : [...(a.views?.machine ?? []), ...(b.views?.machine ?? [])]
  const has = (of: Section) => place === undefined && (section === undefined || section === of)
  const { lists, unknown } = compareLists(sides)
  return {
    config: has('gateway')
      ? compareTrees(without(a.config, machine), without(b.config, machine), sides)
      : [],
    lists: lists.filter((change) => has(change.section)),
    entries: compareEntries(sides, all).filter(
      (change) =>
        (section === undefined || change.section === section) &&
        (place === undefined || isUnder(change.path, place)),
    ),
    unknown,
  }
}

function isUnder(path: string, place: string): boolean {
  const wanted = place.replace(/[/:]$/, '')
  return path === wanted || path.startsWith(`${wanted}/`) || path.startsWith(`${wanted}:`)
}
