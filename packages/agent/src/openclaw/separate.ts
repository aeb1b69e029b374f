/** Which of the files that were found are databases, told by a few names and first bytes. */
import { type PlacedPath, absoluteOf, pathToBytes } from '@ocm/protocol'
import type { DatabaseSource, FoundThing, Separated } from '../installation.port.ts'
import { isDatabaseError, schemaVersionOf, withLive } from './databases.ts'
import type { Located } from './layout.ts'
import { roleOf } from './rows.ts'
import { isDatabase } from './versions.ts'

const SIDE_FILES = /-(?:wal|shm|journal)$/
const NAMED = /\.(?:sqlite3?|db)$/i
/** The smallest page; a database is whole pages. */
const PAGE = 512

/** As schemas are told apart in a layout. */
const ROLES = { state: 'state', agent: 'agent', other: 'plugin', none: 'user' } as const

export function separate<F extends FoundThing>(
  located: Pick<Located, 'layout' | 'extras'>,
  found: readonly F[],
): Separated<F> {
  const { layout, extras } = located
  const warnings: { code: string; detail: string }[] = []
  const ofOpenClaw = new Set(['state'])
  for (const { root, like } of extras) if (like !== undefined) ofOpenClaw.add(root)
  const alone = new Set(extras.filter(({ kind }) => kind === 'file').map(({ root }) => root))
  const logs = logsIn(found)

  const databases = new Map<string, DatabaseSource>()
  for (const thing of found) {
    const { place, placement } = thing
    const mayBe =
      mayBeDatabase(thing, ofOpenClaw.has(place.root), logs) ||
      (thing.kind === 'file' && place.path === '' && alone.has(place.root))
    const absolute = mayBe ? absoluteOf(layout, place) : undefined
    if (absolute === undefined || !isDatabase(Buffer.from(pathToBytes(absolute)))) continue
    const flaw = flawOf(absolute)
    if (flaw === '') {
      const role = ROLES[roleOf(place) ?? 'none']
      databases.set(nameOf(place), { ...placement, place, absolute, role })
    } else {
      // Captured as the file it is: a damaged database is still all there is.
      const detail = `${nameOf(place)}: ${flaw}`
      warnings.push({ code: 'database-unreadable', detail })
    }
  }

  const parts = new Set(
    [...databases.keys()].flatMap((name) => ['', '-wal', '-shm', '-journal'].map((s) => name + s)),
  )
  const rooms = new Set([...databases.values()].map(({ place }) => place.root))
  const others = found.filter(({ place }) => !rooms.has(place.root) || !parts.has(nameOf(place)))
  return { databases: [...databases.values()], others, warnings }
}

const nameOf = ({ root, path }: PlacedPath) => `${root}:${path}`

/** Names of what has a log beside it. */
function logsIn(found: readonly FoundThing[]): ReadonlySet<string> {
  const logs = found.filter(({ kind, place }) => kind === 'file' && place.path.endsWith('-wal'))
  return new Set(logs.map(({ place }) => nameOf(place).slice(0, -'-wal'.length)))
}

/**
 * In the state directory databases belong to OpenClaw and its plugins, whatever they are called. Elsewhere they are
 * files of people, to come back byte for byte, unless a log beside one says that a plain copy would miss something.
 */
function mayBeDatabase(
  { place, placement, kind, size }: FoundThing,
  ofOpenClaw: boolean,
  logs: ReadonlySet<string>,
): boolean {
  if (kind !== 'file') return false
  if (logs.size > 0 && !SIDE_FILES.test(place.path) && logs.has(nameOf(place))) return true
  if (!ofOpenClaw || placement.travel === 'host') return false
  const isWhole = placement.class !== 'bulk' && size > 0 && size % PAGE === 0
  return (isWhole || NAMED.test(place.path)) && !SIDE_FILES.test(place.path)
}

/** '' when SQLite can read it. */
function flawOf(absolute: string): string {
  try {
    withLive(absolute, schemaVersionOf)
    return ''
  } catch (error) {
    if (isDatabaseError(error)) return error.message
    throw error
  }
}
