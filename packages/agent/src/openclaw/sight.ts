/** One way to look at an installation, whether it lies live on the disk or in the copies that a capture made. */
import { readdirSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import {
  type Layout,
  OcmError,
  type PlacedPath,
  absoluteOf,
  pathFromBytes,
  pathToBytes,
} from '@ocm/protocol'
import type { Captured, DatabaseSource } from '../installation.port.ts'
import { type Config, readConfig, readFromDisk } from './config.ts'
import { isDatabaseError, openImmutable, openLive } from './databases.ts'
import type { Where } from './discovery.ts'
import { errno } from './errno.ts'

export interface Sight {
  readonly layout: Layout
  readonly config: Config
  /** OpenClaw's own database; undefined when there is none or it cannot be read. */
  readonly state: DatabaseSync | undefined
  readonly agents: readonly { readonly persona: string; readonly database: DatabaseSync }[]
  /** The names in a directory, sorted; none when it is not there. */
  names(directory: PlacedPath): readonly string[]
  /** A file's text; undefined when it is not there. */
  text(file: PlacedPath): string | undefined
  readonly warnings: { readonly code: string; readonly detail: string }[]
}

/** Looks at the live files and databases for as long as `use` takes. */
export function withLiveSight<T>(
  layout: Layout,
  databases: readonly DatabaseSource[],
  config: Config,
  use: (sight: Sight) => T,
): T {
  const open = openAll(databases, ({ absolute }) => openLive(absolute))
  return closing(open, () =>
    use({
      ...open,
      layout,
      config,
      names: (directory) => namesOnDisk(absoluteOf(layout, directory)),
      text: (file) => textOf(readFromDisk(absoluteOf(layout, file) ?? '')),
    }),
  )
}

/** Looks at nothing but what was captured. */
export function withCapturedSight<T>(
  captured: Captured,
  where: Where,
  copies: ReadonlyMap<string, string>,
  use: (sight: Sight) => T,
): T {
  const { layout } = captured.survey
  const databases = [...captured.databases.values()].map(({ source }) => source)
  const files = indexOf(captured)
  const read = (place: PlacedPath): Uint8Array | undefined =>
    files.isFile(place) ? captured.read(place) : undefined
  const open = openAll(databases, ({ place }) => {
    const copy = copies.get(`${place.root}:${place.path}`)
    return copy === undefined ? undefined : openImmutable(copy)
  })
  return closing(open, () =>
    use({
      ...open,
      layout,
      config: readConfig(where, (absolute) => {
        const place = files.placeOf(absolute)
        return place === undefined ? undefined : read(place)
      }),
      names: files.names,
      text: (file) => textOf(read(file)),
    }),
  )
}

type Open = Pick<Sight, 'state' | 'agents' | 'warnings'>

function openAll(
  databases: readonly DatabaseSource[],
  open: (source: DatabaseSource) => DatabaseSync | undefined,
): Open {
  const agents: Sight['agents'][number][] = []
  const warnings: Sight['warnings'] = []
  let state: DatabaseSync | undefined
  for (const source of databases) {
    if (source.role !== 'state' && source.role !== 'agent') continue
    try {
      const database = open(source)
      if (database === undefined) continue
      if (source.role === 'state') state = database
      else agents.push({ persona: source.persona ?? '', database })
    } catch (error) {
      if (!isDatabaseError(error)) throw error
      const { root, path } = source.place
      warnings.push({ code: 'database-unreadable', detail: `${root}:${path}: ${error.message}` })
    }
  }
  return { state, agents, warnings }
}

function closing<T>(open: Open, use: () => T): T {
  try {
    return use()
  } finally {
    open.state?.close()
    for (const { database } of open.agents) database.close()
  }
}

function namesOnDisk(directory: string | undefined): readonly string[] {
  if (directory === undefined) return []
  try {
    const names = readdirSync(Buffer.from(pathToBytes(directory)), { encoding: 'buffer' })
    return names.map(pathFromBytes).toSorted()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errno(error) ?? '')) return []
    throw error
  }
}

/** Directories as the paths of what was captured imply them. */
function indexOf(captured: Captured) {
  const directories = new Map<string, Set<string>>()
  const files = new Set<string>()
  const byAbsolute = new Map<string, PlacedPath>()
  const { layout } = captured.survey
  for (const { place, kind } of captured.entries) {
    if (kind === 'file') files.add(key(place.root, place.path))
    const absolute = absoluteOf(layout, place)
    if (absolute === undefined) throw new OcmError('internal', {})
    byAbsolute.set(absolute, place)
    for (let path = place.path; path !== '';) {
      const cut = path.lastIndexOf('/')
      const parent = cut === -1 ? '' : path.slice(0, cut)
      const names = directories.get(key(place.root, parent))
      if (names === undefined) {
        directories.set(key(place.root, parent), new Set([path.slice(cut + 1)]))
      } else if (names.has(path.slice(cut + 1))) break
      else names.add(path.slice(cut + 1))
      path = parent
    }
  }
  return {
    isFile: ({ root, path }: PlacedPath) => files.has(key(root, path)),
    placeOf: (absolute: string) => byAbsolute.get(absolute),
    names: ({ root, path }: PlacedPath) => [...(directories.get(key(root, path)) ?? [])].toSorted(),
  }
}

const key = (root: string, path: string): string => `${root}\0${path}`

const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)
