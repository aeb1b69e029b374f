/** What differs of the files, links and directories: by what they are and hold, not by when they were written. */
import { type Entry, type Manifest, equal, pathFromBytes } from '@ocm/protocol'
import type { EntryChange } from './changes.ts'
import type { Side } from './portable.ts'

const placeOf = ({ root, path }: Pick<Entry, 'root' | 'path'>) => `${root}:${pathFromBytes(path)}`

/** @param all byte for byte; otherwise only what is not told better elsewhere and not of one machine */
export function compareEntries(sides: readonly [Side, Side], all: boolean): readonly EntryChange[] {
  const [a, b] = [sides[0].manifest, sides[1].manifest]
  const told = new Set([...(a.views?.files ?? []), ...(b.views?.files ?? [])])
  const counts = (entry: Entry) => all || (isCompared(entry) && !told.has(placeOf(entry)))
  const old = new Map(a.entries.filter(counts).map((entry) => [placeOf(entry), entry]))
  const mentioned = [mentionsIn(a), mentionsIn(b)] as const
  const changes: EntryChange[] = []
  for (const entry of b.entries.filter(counts)) {
    const path = placeOf(entry)
    const was = old.get(path)
    old.delete(path)
    const about = { section: entry.section, path, entry: entry.kind }
    if (was === undefined) {
      changes.push({ kind: 'added', ...about, bytes: { before: 0, after: entry.size }, what: [] })
      continue
    }
    const what = differences(was, entry, sides)
    if (what.length === 0) continue
    const bytes = { before: was.size, after: entry.size }
    const isUnsettled =
      !all &&
      entry.kind === 'file' &&
      what.includes('content') &&
      mentioned.every((m) => m.has(path))
    changes.push({
      kind: 'changed',
      ...about,
      bytes,
      what,
      ...(isUnsettled ? { unsettled: true as const } : {}),
    })
  }
  for (const [path, { section, kind, size }] of old) {
    const bytes = { before: size, after: 0 }
    changes.push({ kind: 'removed', section, path, entry: kind, bytes, what: [] })
  }
  return withoutParents(
    changes.toSorted((x, y) => (x.path < y.path ? -1 : x.path > y.path ? 1 : 0)),
  )
}

/** Databases are told by what they list, conversations by how many there are, what is one of a kind not at all. */
const isCompared = ({ kind, section, travel }: Entry): boolean =>
  kind !== 'database' && section !== 'history' && travel === 'always'

const mentionsIn = ({ mentions }: Manifest): ReadonlySet<string> =>
  new Set(mentions.map((mention) => placeOf(mention)))

const same = (x: Uint8Array | undefined, y: Uint8Array | undefined) =>
  x === undefined || y === undefined ? x === y : equal(x, y)

function differences(a: Entry, b: Entry, sides: readonly [Side, Side]): EntryChange['what'] {
  if (a.kind !== b.kind) return ['kind']
  return [
    ...(same(a.sha256, b.sha256) ? [] : (['content'] as const)),
    ...(sameTarget(a, b, sides) ? [] : (['target'] as const)),
    ...(a.mode === b.mode ? [] : (['mode'] as const)),
  ]
}

function sameTarget(a: Entry, b: Entry, [sideA, sideB]: readonly [Side, Side]): boolean {
  if (same(a.target, b.target)) return true
  if (a.target === undefined || b.target === undefined) return false
  return sideA.portable(pathFromBytes(a.target)) === sideB.portable(pathFromBytes(b.target))
}

/** A directory came or went with what is in it. @param changes sorted by path */
const withoutParents = (changes: readonly EntryChange[]): readonly EntryChange[] => {
  const inside = new Set<string>()
  for (const { path, kind } of changes) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const parent = `${kind} ${path.slice(0, at)}`
      if (inside.has(parent)) break
      inside.add(parent)
    }
  }
  return changes.filter(
    ({ path, kind, entry }) => entry !== 'directory' || !inside.has(`${kind} ${path}`),
  )
}
