/** An opened manifest as people look at it: by section, with what was left out and why. */
import { type Manifest, SECTIONS, type Section, pathFromBytes } from '@ocm/protocol'

type Entry = Manifest['entries'][number]

export interface SectionOf {
  readonly section: Section
  readonly files: number
  readonly bytes: number
}

export interface Line {
  readonly root: string
  /** Bytes that are no letters stand as U+FFFD. */
  readonly path: string
  readonly section: Section
  readonly kind: Entry['kind']
  readonly bytes: number
  readonly unstable: boolean
}

export const shownPath = (path: Uint8Array): string => pathFromBytes(path).toWellFormed()

/** Every section that has something, in the order of the words. */
export function sectionsOf({ entries }: Pick<Manifest, 'entries'>): readonly SectionOf[] {
  const sums = new Map<Section, { files: number; bytes: number }>()
  for (const { kind, section, size } of entries) {
    if (kind === 'directory') continue
    const sum = sums.get(section) ?? { files: 0, bytes: 0 }
    sum.files++
    sum.bytes += size
    sums.set(section, sum)
  }
  return SECTIONS.flatMap((section) => {
    const sum = sums.get(section)
    return sum === undefined ? [] : [{ section, ...sum }]
  })
}

/** Everything but directories, by place. */
export const linesOf = ({ entries }: Pick<Manifest, 'entries'>): readonly Line[] =>
  entries
    .filter(({ kind }) => kind !== 'directory')
    .map(({ root, path, section, kind, size, unstable }) => ({
      root,
      path: shownPath(path),
      section,
      kind,
      bytes: size,
      unstable: unstable === true,
    }))
    .toSorted((a, b) => compare(a.root, b.root) || compare(a.path, b.path))

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

export const linesMatching = (
  lines: readonly Line[],
  section: Section | 'all',
  search: string,
): readonly Line[] => {
  const wanted = search.trim().toLowerCase()
  return lines.filter(
    (line) =>
      (section === 'all' || line.section === section) &&
      `${line.root}:${line.path}`.toLowerCase().includes(wanted),
  )
}

/** How much was left out for each reason, and the first few places of each. */
export function omissionsOf({ omissions }: Pick<Manifest, 'omissions'>) {
  const whys = new Map<string, { count: number; first: string[] }>()
  for (const { why, root, path } of omissions) {
    const so = whys.get(why) ?? { count: 0, first: [] }
    so.count++
    if (so.first.length < 5) so.first.push(`${root}:${shownPath(path)}`)
    whys.set(why, so)
  }
  return [...whys].map(([why, found]) => ({ why, ...found }))
}
