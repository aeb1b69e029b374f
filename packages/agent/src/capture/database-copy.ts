/**
 * Consistent copies of databases that a gateway is writing to.
 *
 * A plain online backup starts over with every commit of another connection and never ends under a busy writer; copying
 * the files tears. So a read transaction is opened on all databases, one right after the other, and each is copied
 * from its own transaction: all copies are of one moment, and no writer waits. Databases that nobody has open are
 * copied as they lie, because opening one would leave a log beside it.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  statSync,
} from 'node:fs'
import { chmod, copyFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync, backup } from 'node:sqlite'
import { OcmError, type Omission } from '@ocm/protocol'
import type { DatabaseSource } from '../installation.port.ts'
import { checkDatabases } from './database-check.ts'
import { PathFailed, onPath } from './path-failed.ts'
import type { Look } from '../store/stat-cache.ts'
import { lookOf, onDisk } from './on-disk.ts'

export interface DatabaseCopy {
  readonly source: DatabaseSource
  /** The copy, for the account alone. */
  readonly absolute: string
  readonly size: number
  /** Of the database itself, before it was copied. */
  readonly look: Look
  /** Why it is not to be trusted blindly, '' if it is: what SQLite's own check says, or that it was not copied whole. */
  readonly flaw: string
  /** Whether SQLite's own check was made. */
  readonly checked: boolean
}

export type CopyOutcome =
  | DatabaseCopy
  | { readonly source: DatabaseSource; readonly omit: Omission['why'] }

/** A read transaction keeps the writer's log from being reset: how long and to which size that is asked of it. */
export interface CopyLimits {
  readonly pinMs: number
  readonly logBytes: number
}
const LIMITS: CopyLimits = { pinMs: 30_000, logBytes: 256 * 1024 * 1024 }

/** About 16 MiB between two looks at the limits. */
const STEP_PAGES = 4096
const BUSY_MS = 5000
const SPARE_BYTES = 64 * 1024 * 1024

/**
 * @param into an empty directory for the account alone.
 * @throws OcmError 'disk-full' before anything is written
 */
export async function copyDatabases(
  sources: readonly DatabaseSource[],
  into: string,
  limits: CopyLimits = LIMITS,
  mustCheck: (source: DatabaseSource) => boolean = () => true,
): Promise<readonly CopyOutcome[]> {
  await checkSpace(sources, into)
  const pins = new Map(sources.map((source) => [source, isBusy(source) ? pin(source) : undefined]))
  const deadline = performance.now() + limits.pinMs
  const outcomes: CopyOutcome[] = []
  try {
    for (const [number, source] of sources.entries()) {
      const copy = join(into, `${number}.db`)
      outcomes.push(await copyOne(source, copy, pins.get(source), limits, deadline))
      pins.get(source)?.close()
      pins.delete(source)
    }
  } finally {
    for (const left of pins.values()) left?.close()
  }
  return withChecks(outcomes, mustCheck)
}

async function checkSpace(sources: readonly DatabaseSource[], into: string): Promise<void> {
  const needBytes = sources.reduce(
    (bytes, source) => bytes + sizeOf(onDisk(source.absolute)) + sizeOf(beside(source, '-wal')),
    SPARE_BYTES,
  )
  const { bavail, bsize } = await statfs(into)
  const freeBytes = bavail * bsize
  if (freeBytes < needBytes) throw new OcmError('disk-full', { needBytes, freeBytes })
}

const beside = (
  source: Pick<DatabaseSource, 'absolute'>,
  suffix: '-wal' | '-shm' | '-journal',
): string | Buffer => onDisk(`${source.absolute}${suffix}`)

const sizeOf = (path: string | Buffer): number =>
  statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Whoever has a database open in WAL mode has its index of the log open; in the other modes a writer has a journal. */
const isBusy = (source: DatabaseSource): boolean =>
  existsSync(beside(source, '-shm')) || existsSync(beside(source, '-journal'))

/** Whether not all of it is in its own file: it has a log with something in it, or somebody was interrupted. */
export const hasLog = (source: DatabaseSource): boolean =>
  sizeOf(beside(source, '-wal')) > 0 || existsSync(beside(source, '-journal'))

/** A read transaction; undefined when SQLite cannot open this. */
function pin(source: DatabaseSource): DatabaseSync | undefined {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(onDisk(source.absolute), { readOnly: true, timeout: BUSY_MS })
    database.exec('PRAGMA query_only = ON; BEGIN')
    database.prepare('SELECT count(*) FROM sqlite_master').get()
    return database
  } catch (error) {
    database?.close()
    if (isSqliteError(error)) return undefined
    throw error
  }
}

const isSqliteError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR'

async function copyOne(
  source: DatabaseSource,
  copy: string,
  pinned: DatabaseSync | undefined,
  limits: CopyLimits,
  deadline: number,
): Promise<CopyOutcome> {
  try {
    const stats = onPath(() => lstatSync(onDisk(source.absolute)))
    if (!stats.isFile()) return { source, omit: 'special' }
    const isWhole = pinned
      ? (await copyPinned(source, copy, pinned, limits, deadline)) ||
        (await copyQuiet(source, copy))
      : (await copyQuiet(source, copy)) || (await copyLate(source, copy, limits))
    return {
      source,
      absolute: copy,
      size: 0,
      look: lookOf(stats),
      flaw: isWhole ? '' : 'it changed while it was copied',
      checked: false,
    }
  } catch (error) {
    if (error instanceof PathFailed) return { source, omit: error.why }
    throw error
  }
}

/** Thrown inside a copy whose transaction has become too much for the writer. */
const RELEASED = new Error('the read transaction was held for too long')

/** @returns false when SQLite cannot read the database. */
async function copyPinned(
  source: DatabaseSource,
  copy: string,
  pinned: DatabaseSync,
  limits: CopyLimits,
  deadline: number,
): Promise<boolean> {
  const guard = () => {
    const isLate = performance.now() > deadline
    if (isLate || sizeOf(beside(source, '-wal')) > limits.logBytes) throw RELEASED
  }
  try {
    await emptyFile(copy)
    guard()
    await backup(pinned, copy, { rate: STEP_PAGES, progress: guard })
    return true
  } catch (error) {
    if (isSqliteError(error)) return false
    if (error !== RELEASED) throw error
  }
  // In one step a copy needs no transaction for longer than copying takes; it is of a moment of its own.
  pinned.exec('COMMIT')
  await emptyFile(copy)
  await backup(pinned, copy, { rate: 0x7fff_ffff })
  return true
}

async function emptyFile(path: string): Promise<void> {
  for (const part of PARTS) await rm(`${path}${part}`, { force: true })
  closeSync(openSync(path, 'wx', 0o600))
}

/** Somebody opened it while it was copied as it lay: then it can be pinned like the others. */
async function copyLate(
  source: DatabaseSource,
  copy: string,
  limits: CopyLimits,
): Promise<boolean> {
  const pinned = pin(source)
  if (!pinned) return false
  try {
    return await copyPinned(source, copy, pinned, limits, performance.now() + limits.pinMs)
  } finally {
    pinned.close()
  }
}

/** A database and what has to be with it. */
const PARTS = ['', '-wal', '-journal'] as const
const QUIET_READS = 3

/**
 * Copies the files as they lie.
 * @returns false when somebody wrote to them each time.
 */
async function copyQuiet(source: DatabaseSource, copy: string): Promise<boolean> {
  for (let reads = 0; reads < QUIET_READS; reads++) {
    const before = fingerprintOf(source)
    for (const part of PARTS) {
      await rm(`${copy}${part}`, { force: true })
      const from = part === '' ? onDisk(source.absolute) : beside(source, part)
      if (part === '' || existsSync(from)) await copyPart(from, `${copy}${part}`)
    }
    if (fingerprintOf(source) === before) return true
  }
  return false
}

async function copyPart(from: string | Buffer, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE)
  } catch (error) {
    onPath(() => {
      throw error
    })
  }
  await chmod(to, 0o600)
}

/**
 * Changes when the database or what its log holds does. Of a log the kernel's time of the last change does not count: SQLite
 * that runs as root sets a log's owner whenever it opens a database, also to read. Writing to a log changes its other
 * time, and a log of no length holds as much as none.
 */
export function fingerprintOf(source: Pick<DatabaseSource, 'absolute'>): string {
  const [database, ...logs] = [onDisk(source.absolute), ...logsOf(source)].map((path) =>
    statSync(path, { bigint: true, throwIfNoEntry: false }),
  )
  const held = logs.map((stats) => (stats && stats.size > 0n ? identityOf(stats) : 'none'))
  return [database ? `${identityOf(database)}:${database.ctimeNs}` : 'none', ...held].join(' ')
}

const logsOf = (source: Pick<DatabaseSource, 'absolute'>) => [
  beside(source, '-wal'),
  beside(source, '-journal'),
]

const identityOf = (s: BigIntStats) => `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}`

/**
 * Copies are opened, which takes in what lay in a log beside them, and checked. One that is whole by itself need not be.
 */
async function withChecks(
  outcomes: readonly CopyOutcome[],
  mustCheck: (source: DatabaseSource) => boolean,
): Promise<readonly CopyOutcome[]> {
  const isDue = (copy: DatabaseCopy) =>
    mustCheck(copy.source) || PARTS.some((part) => part !== '' && existsSync(copy.absolute + part))
  const due = outcomes.filter((outcome) => 'absolute' in outcome).filter(isDue)
  const flaws = await checkDatabases(due.map((copy) => copy.absolute))
  return outcomes.map((outcome) => {
    if ('omit' in outcome) return outcome
    const checked = due.includes(outcome)
    const found = checked ? (flaws.get(outcome.absolute) ?? 'it was not checked') : ''
    const { size } = statSync(outcome.absolute)
    return { ...outcome, flaw: outcome.flaw || found, checked, size }
  })
}
