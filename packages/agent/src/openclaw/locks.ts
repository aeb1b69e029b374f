/** The note a running gateway leaves in the state directory, and whether it is still true. */
import { readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { errno } from './errno.ts'
import { parsed } from './salvage.ts'
import { isTree } from './tree.ts'

export interface GatewayLock {
  readonly pid: number
  /** 0 when the note does not say. */
  readonly port: number
  /** In clock ticks since the machine started, as in /proc; tells a process from a later one with its number. */
  readonly startTime: number | undefined
}

/** @returns undefined when there is none, or its process is gone. */
export function liveLock(stateDir: string): GatewayLock | undefined {
  const lock = readLock(stateDir)
  return lock !== undefined && isAlive(lock) ? lock : undefined
}

export function readLock(stateDir: string): GatewayLock | undefined {
  const text = readText(
    path.join(realOf(stateDir), 'tmp', `openclaw-${process.getuid?.() ?? 0}`, 'gateway.state.lock'),
  )
  const value = text === undefined ? undefined : parsed(text)
  if (!isTree(value)) return undefined
  const { pid, port, startTime, role } = value as Record<
    'pid' | 'port' | 'startTime' | 'role',
    unknown
  >
  // Repairs and single turns on the command line hold the same note for as long as they take.
  if (role !== undefined && role !== 'gateway') return undefined
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
  return {
    pid,
    port: typeof port === 'number' && Number.isSafeInteger(port) ? port : 0,
    startTime: typeof startTime === 'number' ? startTime : undefined,
  }
}

export function isAlive(lock: Pick<GatewayLock, 'pid' | 'startTime'>): boolean {
  try {
    process.kill(lock.pid, 0)
  } catch (error) {
    if (errno(error) === 'ESRCH') return false
    if (errno(error) !== 'EPERM') throw error
  }
  const stat = statOf(lock.pid)
  // In a container whose first process waits for nobody, what has ended keeps its number for good.
  if (stat?.[0] === 'Z' || stat?.[0] === 'X') return false
  const started = startTimeOf(lock.pid)
  return started === undefined || lock.startTime === undefined || started === lock.startTime
}

/** Field 22 of /proc/<pid>/stat; undefined where there is no /proc. */
export function startTimeOf(pid: number): number | undefined {
  const stat = statOf(pid)
  return stat === undefined ? undefined : Number(stat[19])
}

/** What /proc/<pid>/stat says from its third field on. */
function statOf(pid: number): readonly string[] | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ESRCH'].includes(errno(error) ?? '')) return undefined
    throw error
  }
}

function realOf(directory: string): string {
  try {
    return realpathSync(directory)
  } catch (error) {
    if (errno(error) === 'ENOENT') return directory
    throw error
  }
}
