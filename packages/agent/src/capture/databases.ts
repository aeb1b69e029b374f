/**
 * Databases that have changed, into packs. One is read where it lies, between two looks at it: whoever writes to it writes
 * to a log first, and that shows. One that has a log, or changed meanwhile, is copied from a read transaction first.
 */
import { statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { type Omission, type Primitives, concat } from '@ocm/protocol'
import type { DatabaseSource } from '../installation.port.ts'
import type { Look } from '../store/stat-cache.ts'
import type { Content } from './contents.ts'
import { checkOriginals } from './database-check.ts'
import { type CopyOutcome, copyDatabases, fingerprintOf, hasLog } from './database-copy.ts'
import { isSettled, lookOf, onDisk } from './on-disk.ts'
import { PathFailed, onPath } from './path-failed.ts'
import { TICK_MS } from './read-file.ts'
import { type Reader, databaseUnits } from './reader.ts'
import { RefList } from '../store/refs.ts'

/** How a database looked before anything was read of it. */
export interface DatabaseLook {
  readonly source: DatabaseSource
  readonly look: Look
  /** Changes when it or what lies beside it does. */
  readonly looks: string
  /** When its log was last written to, if there is anything in it; milliseconds since 1970. */
  readonly logged: number | undefined
  /** When it was looked at, milliseconds since 1970. */
  readonly at: number
}

export interface DatabaseRead {
  readonly look: DatabaseLook
  readonly content: Content
  /** Why it is not to be trusted blindly, '' if it is. */
  readonly flaw: string
  readonly checked: boolean
  /** Of the copy it was read from, if there is one. */
  readonly copy: string | undefined
}

export type DatabaseOutcome =
  | DatabaseRead
  | { readonly source: DatabaseSource; readonly omit: Omission['why'] }

/** @throws PathFailed */
export function lookAt(source: DatabaseSource, now: () => number): DatabaseLook {
  const at = now()
  const stats = onPath(() => statSync(onDisk(source.absolute)))
  if (!stats.isFile()) throw new PathFailed('special', undefined)
  const log = statSync(onDisk(`${source.absolute}-wal`), { throwIfNoEntry: false })
  const looks = fingerprintOf(source)
  const logged = log && log.size > 0 ? log.mtimeMs : undefined
  return { source, look: lookOf(stats), logged, looks, at }
}

/** Whether a change that came after the look would show. */
export const isDatabaseSettled = ({ look, logged, at }: DatabaseLook, byMs: number): boolean =>
  isSettled(look, at, byMs) && (logged === undefined || Math.abs(at - logged) > byMs)

export interface ReadingParts {
  readonly p: Primitives
  readonly reader: Reader
  /** An empty directory for the account alone. */
  readonly staging: string
  /** Whether SQLite's own check is to be made. */
  readonly mustCheck: (source: DatabaseSource) => boolean
  /** Told after each part. */
  readonly progress: (bytes: number) => void
  /** Those that are being read already. */
  readonly begun?: DatabasesBegun
}

/**
 * Those in use are copied from transactions that are opened at one moment.
 * @param done is told of each when it has been read.
 */
export async function readDatabases(
  parts: ReadingParts,
  looks: readonly DatabaseLook[],
  done: (outcome: DatabaseOutcome) => void,
): Promise<void> {
  const quiet = looks.filter(isQuiet)
  await readCopies(
    parts,
    looks.filter((look) => !quiet.includes(look)),
    done,
  )
  const changed: DatabaseLook[] = []
  const readQuiet = async (look: DatabaseLook) => {
    const read = await (parts.begun?.of(look) ?? readOriginal(parts, look))
    // It may have been begun under another name.
    if (read) done({ ...read, look })
    else changed.push(look)
  }
  await Promise.all(quiet.map(readQuiet))
  await readCopies(parts, changed, done)
}

/** Of one that has just been written to, two looks would not show another change: it is copied like one with a log. */
export const isQuiet = (look: DatabaseLook): boolean =>
  !hasLog(look.source) && isDatabaseSettled(look, TICK_MS)

/**
 * Databases that nobody writes to, read while it is still being found out what else there is: threads have work then.
 * Whether one is to be captured, and is as it was, is asked when that is known.
 */
export class DatabasesBegun {
  readonly #reads = new Map<
    string,
    { readonly look: DatabaseLook; readonly read: Promise<DatabaseRead | undefined> }
  >()

  begin(parts: ReadingParts, looks: readonly DatabaseLook[]): void {
    for (const look of looks) {
      const read = readOriginal(parts, look)
      // Nobody may ever ask for it.
      read.catch(() => undefined)
      this.#reads.set(look.source.absolute, { look, read })
    }
  }

  /** Of all of them. */
  get bytes(): number {
    return [...this.#reads.values()].reduce((sum, { look }) => sum + look.look.size, 0)
  }

  /** Answers when threads read none of them any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#reads.values()].map(({ read }) => read))
  }

  /** @returns undefined when it is not being read, or not as it is now. */
  of({ source, looks }: DatabaseLook): Promise<DatabaseRead | undefined> | undefined {
    const begun = this.#reads.get(source.absolute)
    const isSame = begun?.look.looks === looks && begun.look.source.class === source.class
    return isSame ? begun.read : undefined
  }
}

/** @returns undefined when somebody wrote to it. */
async function readOriginal(
  parts: ReadingParts,
  look: DatabaseLook,
): Promise<DatabaseRead | undefined> {
  const { source } = look
  const checked = parts.mustCheck(source)
  const path = onDisk(source.absolute)
  const [content, flaws] = await Promise.all([
    contentOf(parts, source, path, look.look.size),
    checked ? checkOriginals([source.absolute]) : new Map<string, string>(),
  ])
  const stood = fingerprintOf(source) === look.looks && !hasLog(source)
  if (!content || !stood) return undefined
  const flaw = checked ? (flaws.get(source.absolute) ?? 'it was not checked') : ''
  return { look, content, flaw, checked, copy: undefined }
}

async function readCopies(
  parts: ReadingParts,
  looks: readonly DatabaseLook[],
  done: (outcome: DatabaseOutcome) => void,
): Promise<void> {
  if (looks.length === 0) return
  const sources = looks.map(({ source }) => source)
  const into = await mkdtemp(join(parts.staging, 'copies-'))
  const outcomes = await copyDatabases(sources, into, undefined, parts.mustCheck)
  const read = async (copy: CopyOutcome, n: number) =>
    done(await readCopy(parts, looks[n] as DatabaseLook, copy))
  await Promise.all(outcomes.map(read))
}

async function readCopy(
  parts: ReadingParts,
  look: DatabaseLook,
  copy: CopyOutcome,
): Promise<DatabaseOutcome> {
  if ('omit' in copy) return copy
  const { source, absolute, size, flaw, checked } = copy
  const content = await contentOf(parts, source, absolute, size)
  // The copy is this process's own: that it cannot be read is no matter of the installation.
  if (!content) throw new TypeError('a copy went away')
  return { look, content, flaw, checked, copy: absolute }
}

/** @returns undefined when it is not there as long as it was. */
async function contentOf(
  { p, reader, progress }: ReadingParts,
  source: DatabaseSource,
  path: string | Buffer,
  size: number,
): Promise<Content | undefined> {
  const parts = await Promise.all(
    databaseUnits(source.class, path, size).map(async (unit) => {
      const done = await reader.do(unit)
      if (done.kind !== 'pieces' || !done.done) return undefined
      progress(done.done.size)
      return done.done
    }),
  )
  const refs = new RefList()
  let held = 0
  for (const part of parts) {
    if (!part) return undefined
    refs.addAll(part.refs)
    held += part.size
  }
  if (held !== size) return undefined
  const sha256 = p.sha256(concat(...parts.map((part) => part?.digests ?? new Uint8Array(0))))
  return { size, sha256, refs: refs.take() }
}
