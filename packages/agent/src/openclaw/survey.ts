/** What belongs to the installation right now: roots to walk, databases to copy, and the meaning of every path met on the way. */
import { readdir } from 'node:fs/promises'
import {
  type PlacedPath,
  absoluteOf,
  isWithin,
  pathFromBytes,
  pathToBytes,
  placeOf,
} from '@ocm/protocol'
import type { DatabaseSource, Placement, Survey } from '../installation.port.ts'
import { isDatabaseError, schemaVersionOf, withLive } from './databases.ts'
import { errno } from './errno.ts'
import type { Extra } from './extras.ts'
import { type Located, isDirectory } from './layout.ts'
import { roleOf } from './rows.ts'
import { sourceOf } from './sources.ts'
import { isDatabase } from './versions.ts'

type Meaning = ReturnType<Survey['classify']>

const SIDE_FILES = /-(?:wal|shm|journal)$/
/** As schemas are told apart in a layout. */
const ROLES = { state: 'state', agent: 'agent', other: 'plugin', none: 'user' } as const

/** Left by an apply that was cut off. */
const OWN_LEFTOVER = /(?:^|\/)[^/]*\.ocm-[^/]*(?:\/|$)/

export async function surveyOf(located: Located): Promise<Survey> {
  const { layout } = located
  const warnings = [...located.warnings]
  const meaningOf = meanings(located)
  const trees = treesOf(located)
  const databases = new Map<string, DatabaseSource>()
  for (const { root, absolute, kind } of trees) {
    const files =
      kind === 'file' ? [absolute] : await candidatesIn(located, root, absolute, meaningOf)
    for (const file of files) {
      const source = databaseAt(located, file, meaningOf, warnings)
      if (source !== undefined) databases.set(source.absolute, source)
    }
  }
  return {
    layout,
    trees,
    databases: [...databases.values()],
    warnings,
    classify(place) {
      const absolute = absoluteOf(layout, place)
      if (absolute === undefined) return { skip: true }
      if (databases.has(absolute) || databases.has(absolute.replace(SIDE_FILES, '')))
        return { skip: true }
      return meaningOf(place, absolute)
    },
  }
}

/** Those that are there, outermost first. */
function treesOf({ where, workspaces, extras }: Located): Survey['trees'] {
  const directories = [
    { root: 'state', absolute: where.state },
    ...workspaces.map(({ root, absolute }) => ({ root, absolute })),
  ]
  const trees: Survey['trees'] = [
    ...directories
      .filter(({ absolute }) => isDirectory(absolute))
      .map((one) => ({ ...one, kind: 'directory' as const })),
    ...extras.map(({ root, absolute, kind }) => ({ root, absolute, kind })),
  ]
  return trees.toSorted((a, b) => a.absolute.length - b.absolute.length)
}

function meanings({ where, config, workspaces, extras, secrets }: Located) {
  const byRoot = new Map<string, Pick<Extra, 'placement' | 'like'>>([
    ['state', { placement: { section: 'gateway', class: 'state', travel: 'always' }, like: '' }],
    ...workspaces.map(
      ({ root, persona }) =>
        [
          root,
          { placement: { section: 'workspaces', class: 'bulk', travel: 'always', persona } },
        ] as const,
    ),
    ...extras.map((extra) => [extra.root, extra] as const),
  ])
  const configFiles = new Set(config.files)
  return (place: PlacedPath, absolute: string): Meaning => {
    if (isWithin(where.agentState, absolute) || OWN_LEFTOVER.test(place.path)) return { skip: true }
    if (configFiles.has(absolute)) return { section: 'gateway', class: 'secret', travel: 'always' }
    const root = byRoot.get(place.root)
    if (root === undefined) return { skip: true }
    const secret = secrets.find((one) => isWithin(one.absolute, absolute))
    if (secret !== undefined) {
      return { section: secret.section, class: 'secret', travel: secret.travel }
    }
    if (root.like === undefined) return root.placement
    const path = [root.like, place.path].filter((part) => part !== '').join('/')
    const source = path === root.like ? root.placement : sourceOf(path)
    return source === 'regenerable' ? { omit: 'regenerable' } : source
  }
}

/** Files below a root that may be databases, without those of roots inside it. */
async function candidatesIn(
  located: Located,
  root: string,
  top: string,
  meaningOf: ReturnType<typeof meanings>,
): Promise<readonly string[]> {
  const found: string[] = []
  const ofOpenClaw =
    root === 'state' ||
    located.extras.some((extra) => extra.root === root && extra.like !== undefined)
  const open = [top]
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    const entries = await entriesOf(here)
    const names = new Set(entries.map(({ name }) => name))
    for (const { name, directory } of entries) {
      const absolute = `${here}/${name}`
      const place = placeOf(located.layout, absolute)
      if (place === undefined || place.root !== root) continue
      const meaning = meaningOf(place, absolute)
      if (!('section' in meaning)) continue
      if (directory) open.push(absolute)
      else if (mayBeDatabase(ofOpenClaw, name, meaning, names)) found.push(absolute)
    }
  }
  return found
}

/**
 * In the state directory databases belong to OpenClaw and its plugins, whatever they are called. Elsewhere they are
 * files of people, to come back byte for byte, unless a log beside one says that a plain copy would miss something.
 */
function mayBeDatabase(
  ofOpenClaw: boolean,
  name: string,
  meaning: Placement,
  names: ReadonlySet<string>,
): boolean {
  if (SIDE_FILES.test(name)) return false
  if (names.has(`${name}-wal`)) return true
  if (!ofOpenClaw || meaning.travel === 'host') return false
  return meaning.class !== 'bulk' || /\.(?:sqlite3?|db)$/i.test(name)
}

function databaseAt(
  { layout }: Located,
  absolute: string,
  meaningOf: ReturnType<typeof meanings>,
  warnings: Survey['warnings'],
): DatabaseSource | undefined {
  const place = placeOf(layout, absolute)
  if (place === undefined || !isDatabase(Buffer.from(pathToBytes(absolute)))) return undefined
  const meaning = meaningOf(place, absolute)
  if (!('section' in meaning)) return undefined
  try {
    withLive(absolute, schemaVersionOf)
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    // Captured as the file it is: a damaged database is still all there is.
    warnings.push({
      code: 'database-unreadable',
      detail: `${place.root}:${place.path}: ${error.message}`,
    })
    return undefined
  }
  return { ...meaning, place, absolute, role: ROLES[roleOf(place) ?? 'none'] }
}

async function entriesOf(directory: string) {
  try {
    const entries = await readdir(Buffer.from(pathToBytes(directory)), {
      withFileTypes: true,
      encoding: 'buffer',
    })
    return entries
      .filter((entry) => entry.isFile() || entry.isDirectory())
      .map((entry) => ({ name: pathFromBytes(entry.name), directory: entry.isDirectory() }))
  } catch (error) {
    // Gone or closed to us: the walk of the capture meets it too and notes it.
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(errno(error) ?? '')) return []
    throw error
  }
}
