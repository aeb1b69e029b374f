/** Whether this agent could stop a gateway, and would be there afterwards. Nothing is changed to find out. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { errno } from './errno.ts'
import type { Process } from './gateway-watch.ts'

/** What runs one program and ends with it. A manager of services goes on. */
const ENDS_WITH_IT =
  /^(?:tini|docker-init|dumb-init|catatonit|sh|bash|dash|node|npm|gosu|su-exec|openclaw.*)$/

/**
 * The first process of a namespace takes all others of it along. An agent that came into a container from outside (its
 * own line of parents ends outside, as with `pid: service:…` or `docker exec`) shares it with the gateway, whose end is
 * the container's.
 */
export const endsAgent = (gateways: readonly Process[], own = process.pid): boolean =>
  gateways.some(({ pid }) => pid === 1) ||
  (isFromOutside(own) &&
    ENDS_WITH_IT.test(commandOf(1)) &&
    // What was started from outside too, and left to itself, is of another session.
    gateways.some(({ pid }) => lineOf(pid).includes(1) && sessionOf(pid) === 1))

/** Whether signals of this account reach them. */
export const maySignal = (gateways: readonly Process[]): boolean =>
  gateways.every(({ pid }) => {
    try {
      return process.kill(pid, 0)
    } catch (error) {
      if (errno(error) === 'EPERM') return false
      if (errno(error) === 'ESRCH') return true
      throw error
    }
  })

/** Whether a file could be put there, with what is missing of the directories around it. */
export function mayWrite(file: string): boolean {
  let around = path.dirname(file)
  while (!existsSync(around)) around = path.dirname(around)
  try {
    accessSync(around, constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    if (['EACCES', 'EROFS', 'EPERM'].includes(errno(error) ?? '')) return false
    throw error
  }
}

const isFromOutside = (own: number): boolean => own !== 1 && !lineOf(own).includes(1)

/** A process, its parent and so on, as far as they are in sight. */
function lineOf(pid: number): readonly number[] {
  const line: number[] = []
  for (let at = pid; at > 0 && !line.includes(at); at = parentOf(at)) line.push(at)
  return line
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)

function sessionOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`)
  // The second field is the command in parentheses, and may hold blanks.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3] ?? 0)
}

const commandOf = (pid: number): string => read(`/proc/${pid}/comm`).trim()

/** '' where there is no such process, or no /proc. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errno(error) ?? '')) return ''
    throw error
  }
}
