/** Seeing whether a gateway is there, is ready, is gone. */
import { readFileSync, readdirSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from './errno.ts'
import { liveLock, startTimeOf } from './locks.ts'

/** @returns false when it was not so within the time. */
export async function waitUntil(
  condition: () => Promise<boolean> | boolean,
  timeoutMs: number,
): Promise<boolean> {
  const end = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() >= end) return false
    await sleep(Math.min(200, Math.max(1, timeoutMs)))
  }
  return true
}

export const isPortOpen = async (port: number): Promise<boolean> =>
  port > 0 && ((await canConnect('127.0.0.1', port)) || (await canConnect('::1', port)))

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (open: boolean) => {
      socket.destroy()
      resolve(open)
    }
    socket.once('connect', () => end(true))
    // Refused, unreachable, no such address: nobody listens there.
    socket.once('error', () => end(false))
    socket.setTimeout(2000, () => end(false))
  })
}

/** Whether the gateway of this state directory, and not another one, answers there that it is ready. */
export async function isReady(stateDir: string, port: number): Promise<boolean> {
  const lock = liveLock(stateDir)
  if (lock === undefined || (lock.port !== 0 && lock.port !== port)) return false
  for (const host of ['127.0.0.1', '[::1]']) {
    for (const scheme of ['http', 'https'] as const) {
      const body = await bodyOf(scheme, host, port)
      if (body !== undefined) return /"ready"\s*:\s*true/.test(body)
    }
  }
  return false
}

/** @returns undefined when nothing that speaks this scheme answers. */
function bodyOf(scheme: 'http' | 'https', host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const url = `${scheme}://${host}:${port}/readyz`
    const options = { timeout: 3000, agent: false, rejectUnauthorized: false }
    const asked = (scheme === 'http' ? httpRequest : httpsRequest)(url, options, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => {
        body += part
      })
      answer.on('end', () => resolve(body))
      answer.on('error', () => resolve(undefined))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(undefined))
    asked.end()
  })
}

export interface Process {
  readonly pid: number
  readonly startTime: number | undefined
}

/**
 * Gateways of this installation, also one that has started and has not taken its lock yet.
 * Only what the lock names where there is no /proc.
 */
export function gatewayProcesses(site: {
  readonly home: string
  readonly stateDir: string
}): readonly Process[] {
  const lock = liveLock(site.stateDir)
  const held: readonly Process[] =
    lock === undefined ? [] : [{ pid: lock.pid, startTime: lock.startTime }]
  const others = pids()
    .filter((pid) => pid !== lock?.pid && pid !== process.pid && isGatewayOf(pid, site))
    .map((pid) => ({ pid, startTime: startTimeOf(pid) }))
  return [...held, ...others]
}

const pids = (): readonly number[] =>
  process.platform === 'linux'
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : []

function isGatewayOf(
  pid: number,
  { home, stateDir }: { readonly home: string; readonly stateDir: string },
): boolean {
  const argv = listOf(`/proc/${pid}/cmdline`)
  const named = argv[0]?.startsWith('openclaw-gateway') ?? false
  const verb = argv.findIndex((arg, i) => arg === 'gateway' && i > 0)
  const next = argv[verb + 1]
  const runs =
    verb > 0 &&
    argv.slice(0, verb).some((arg) => /openclaw/.test(arg)) &&
    (next === undefined || next === 'run' || next.startsWith('-'))
  if (!named && !runs) return false
  const env = environOf(pid)
  const state = env['OPENCLAW_STATE_DIR']
  return state === undefined ? env['HOME'] === home : state === stateDir
}

/** The environment a process was started with; empty when it may not be read. */
export function environOf(pid: number): Record<string, string> {
  return Object.fromEntries(
    listOf(`/proc/${pid}/environ`).flatMap((pair) => {
      const at = pair.indexOf('=')
      return at > 0 ? [[pair.slice(0, at), pair.slice(at + 1)]] : []
    }),
  )
}

/** The NUL-separated items of a file under /proc; empty when the process is gone or another user's. */
export function listOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\0')
      .filter((item) => item !== '')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errno(error) ?? '')) return []
    throw error
  }
}
