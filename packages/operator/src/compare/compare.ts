/** What differs between two snapshots, as a value: by meaning where there is one, else entry by entry. */
import {
  type Entry,
  type Inventory,
  type Manifest,
  type Section,
  equal,
  pathFromBytes,
} from '@ocm/protocol'

export type Kind = 'added' | 'removed' | 'changed'

/** One place of a configuration, e.g. `gateway.port`. */
export interface ConfigChange {
  readonly kind: Kind
  readonly path: string
  /** Absent where there was or is none. A secret is a fingerprint here: capture never writes it into the view. */
  readonly before?: unknown
  readonly after?: unknown
}

export interface ListChange {
  /** E.g. 'cron jobs', 'plugins'. */
  readonly what: string
  readonly kind: Kind
  readonly name: string
  /** Of a cron job that changed: which fields. */
  readonly fields?: readonly string[]
}

export interface EntryChange {
  readonly kind: Kind
  readonly section: Section
  readonly path: string
  readonly entry: Entry['kind']
  readonly bytes: { readonly before: number; readonly after: number }
  /** What of it: its content, its rights, what kind of thing it is, where a link points. */
  readonly what: readonly ('content' | 'mode' | 'kind' | 'target')[]
}

export interface Comparison {
  readonly config: readonly ConfigChange[]
  readonly lists: readonly ListChange[]
  readonly entries: readonly EntryChange[]
}

export interface Within {
  readonly section?: Section
  /** `root:path` or a root; what lies below it too. */
  readonly place?: string
}

/** @returns changes sorted by place; nothing in them when the two are the same. */
export function compareManifests(a: Manifest, b: Manifest, within: Within = {}): Comparison {
  const { section, place } = within
  const entries = compareEntries(a.entries, b.entries).filter(
    (change) =>
      (section === undefined || change.section === section) &&
      (place === undefined || isUnder(change.path, place)),
  )
  const has = (...sections: readonly Section[]) =>
    place === undefined && (section === undefined || sections.includes(section))
  const lists = compareInventories(a.inventory, b.inventory).filter(({ what }) =>
    has(...(LIST_SECTIONS[what] ?? [])),
  )
  return { config: has('gateway') ? compareTrees(a.config, b.config) : [], lists, entries }
}

/** Which section a list belongs to. */
const LIST_SECTIONS: Readonly<Record<string, readonly Section[]>> = {
  personas: ['personas'],
  'cron jobs': ['cron'],
  'auth profiles': ['credentials'],
  plugins: ['plugins'],
  skills: ['skills'],
  channels: ['channels'],
  pairings: ['channels', 'gateway'],
  sessions: ['history'],
}

function isUnder(path: string, place: string): boolean {
  const wanted = place.replace(/[/:]$/, '')
  return path === wanted || path.startsWith(`${wanted}/`) || path.startsWith(`${wanted}:`)
}

const spelled = ({ root, path }: Entry) => `${root}:${pathFromBytes(path)}`

function compareEntries(before: readonly Entry[], after: readonly Entry[]): readonly EntryChange[] {
  const old = new Map(before.map((entry) => [spelled(entry), entry]))
  const changes: EntryChange[] = []
  for (const entry of after) {
    const path = spelled(entry)
    const was = old.get(path)
    old.delete(path)
    const about = { section: entry.section, path, entry: entry.kind }
    if (was === undefined) {
      changes.push({ kind: 'added', ...about, bytes: { before: 0, after: entry.size }, what: [] })
      continue
    }
    const what = differences(was, entry)
    if (what.length === 0) continue
    changes.push({
      kind: 'changed',
      ...about,
      bytes: { before: was.size, after: entry.size },
      what,
    })
  }
  for (const [path, { section, kind, size }] of old) {
    const bytes = { before: size, after: 0 }
    changes.push({ kind: 'removed', section, path, entry: kind, bytes, what: [] })
  }
  return changes.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

const same = (x: Uint8Array | undefined, y: Uint8Array | undefined) =>
  x === undefined || y === undefined ? x === y : equal(x, y)

/** Times are not compared: a file that was written again as it was did not change. */
function differences(a: Entry, b: Entry): EntryChange['what'] {
  if (a.kind !== b.kind) return ['kind']
  return [
    ...(same(a.sha256, b.sha256) ? [] : (['content'] as const)),
    ...(same(a.target, b.target) ? [] : (['target'] as const)),
    ...(a.mode === b.mode ? [] : (['mode'] as const)),
  ]
}

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function compareTrees(a: unknown, b: unknown, path = ''): readonly ConfigChange[] {
  if (isTree(a) && isTree(b)) {
    const fields = [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted()
    return fields.flatMap((name) => {
      const at = path === '' ? name : `${path}.${name}`
      if (!Object.hasOwn(a, name)) return [{ kind: 'added' as const, path: at, after: b[name] }]
      if (!Object.hasOwn(b, name)) return [{ kind: 'removed' as const, path: at, before: a[name] }]
      return compareTrees(a[name], b[name], at)
    })
  }
  if (JSON.stringify(a) === JSON.stringify(b)) return []
  return [{ kind: 'changed', path, before: a, after: b }]
}

function compareInventories(a: Inventory | null, b: Inventory | null): readonly ListChange[] {
  // One that could not be asked is not one that has nothing.
  if (a === null || b === null) return []
  return [
    ...names('personas', a.personas, b.personas),
    ...cronJobs(a.cron, b.cron),
    ...names('auth profiles', a.authProfiles, b.authProfiles),
    ...names('plugins', a.plugins, b.plugins),
    ...names('skills', a.skills, b.skills),
    ...names('channels', a.channels, b.channels),
    ...counted('pairings', '', a.pairings, b.pairings),
    ...[...new Set([...Object.keys(a.sessions), ...Object.keys(b.sessions)])]
      .toSorted()
      .flatMap((persona) =>
        counted(
          'sessions',
          persona,
          a.sessions[persona]?.length ?? 0,
          b.sessions[persona]?.length ?? 0,
        ),
      ),
  ]
}

function names(what: string, a: readonly string[], b: readonly string[]): readonly ListChange[] {
  return [
    ...a
      .filter((name) => !b.includes(name))
      .map((name) => ({ what, kind: 'removed' as const, name })),
    ...b
      .filter((name) => !a.includes(name))
      .map((name) => ({ what, kind: 'added' as const, name })),
  ]
}

function counted(what: string, of: string, a: number, b: number): readonly ListChange[] {
  if (a === b) return []
  const numbers = `${a} before, ${b} after`
  return [{ what, kind: 'changed', name: of === '' ? numbers : `${of}: ${numbers}` }]
}

function cronJobs(a: Inventory['cron'], b: Inventory['cron']): readonly ListChange[] {
  const what = 'cron jobs'
  const old = new Map(a.map((job) => [job.id, job]))
  const changes: ListChange[] = []
  for (const job of b) {
    const was = old.get(job.id)
    old.delete(job.id)
    if (was === undefined) {
      changes.push({ what, kind: 'added', name: job.name })
      continue
    }
    const fields = (['name', 'user', 'enabled', 'persona', 'schedule'] as const).filter(
      (field) => was[field] !== job[field],
    )
    if (fields.length > 0) changes.push({ what, kind: 'changed', name: job.name, fields })
  }
  for (const job of old.values()) changes.push({ what, kind: 'removed', name: job.name })
  return changes
}
