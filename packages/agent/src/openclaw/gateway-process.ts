/**
 * A gateway that no service manager runs. To start it the same way again, what the running one was started with is
 * remembered: executable, arguments, directory, environment and where its output went.
 */
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { type Layout, OcmError } from '@ocm/protocol'
import { tombstoneOf } from '../apply/tombstone.port.ts'
import type { Gateway } from '../installation.port.ts'
import { errno } from './errno.ts'
import { endsAgent, maySignal } from './gateway-obstacle.ts'
import type { GatewaySite } from './gateway-site.ts'
import {
  type Process,
  environOf,
  gatewayProcesses,
  isPortOpen,
  isReady,
  listOf,
  waitUntil,
} from './gateway-watch.ts'
import { isAlive, liveLock } from './locks.ts'
import { withOwnNode } from './run.ts'
import { isTree } from './tree.ts'

/** What OpenClaw allows itself between SIGTERM and the end, and a little. */
export const STOP_MS = 330_000

export interface ProcessMemory {
  readonly kind: 'process' | 'none'
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** The file its output goes to; null for none. */
  readonly output: string | null
}

export const isProcessMemory = (value: unknown): value is ProcessMemory =>
  isTree(value) && (value['kind'] === 'process' || value['kind'] === 'none')

/** @param timeouts.stopMs how long it may take to end, STOP_MS if not given. */
export function processGateway(
  site: GatewaySite,
  remembered: ProcessMemory | undefined,
  timeouts: { readonly stopMs?: number } = {},
): Gateway {
  const running = gatewayProcesses(site)[0]
  // What runs by now may be what an apply has started; it is not what is to be started again.
  let memory = remembered ?? memoryOf(site, running)
  let started: Started | undefined

  return {
    kind:
      running === undefined && (memory === undefined || memory.kind === 'none')
        ? 'none'
        : 'process',
    isRunning: async () => gatewayProcesses(site).length > 0,

    async stop() {
      const processes = gatewayProcesses(site)
      memory = remembered ?? memoryOf(site, processes[0]) ?? memory
      const port = liveLock(site.stateDir)?.port ?? 0
      await stopProcesses(site, processes, port, timeouts.stopMs ?? STOP_MS)
    },

    async obstacle() {
      const processes = gatewayProcesses(site)
      if (endsAgent(processes)) return 'gateway-ends-agent'
      return maySignal(processes) ? undefined : 'gateway-not-allowed'
    },

    // Nobody would start it.
    mask: async () => {},
    unmask: async () => {},

    async start(layout, how) {
      if (existsSync(tombstoneOf(site.stateDir))) throw new OcmError('source-fenced')
      const kept = how === 'as-before' && memory?.kind === 'process' ? memory : undefined
      started = launch(kept ?? withPort(memory ?? firstTime(site), layout))
    },

    waitReady: async (layout, timeoutMs) => {
      await waitUntil(
        async () => started?.exited === true || (await isReady(site.stateDir, layout.port)),
        timeoutMs,
      )
      return isReady(site.stateDir, layout.port)
    },

    lastWords: async () => (started ? wordsOf(started) : ''),

    remember: async () => memoryOf(site, gatewayProcesses(site)[0]) ?? memory ?? null,
  }
}

/** Ends them and waits until processes, lock and port are gone. @throws OcmError 'gateway-will-not-stop' */
export async function stopProcesses(
  site: GatewaySite,
  processes: readonly Process[],
  port: number,
  timeoutMs: number,
): Promise<void> {
  for (const one of processes) if (isAlive(one)) signal(one.pid)
  const gone = await waitUntil(
    async () =>
      !processes.some(isAlive) &&
      liveLock(site.stateDir) === undefined &&
      !(await isPortOpen(port)),
    timeoutMs,
  )
  if (!gone) throw new OcmError('gateway-will-not-stop')
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if (errno(error) === 'ESRCH') return
    throw new OcmError('gateway-will-not-stop', {}, { cause: error })
  }
}

/** @returns undefined when nothing runs, or it may not be looked at. */
function memoryOf(site: GatewaySite, running: Process | undefined): ProcessMemory | undefined {
  if (running === undefined) return undefined
  const { pid } = running
  const env = environOf(pid)
  const argv = argvOf(site, pid)
  if (argv === undefined || env['PATH'] === undefined) return undefined
  return {
    kind: 'process',
    argv,
    cwd: linkOf(`/proc/${pid}/cwd`) ?? site.home,
    env,
    output: outputOf(pid),
  }
}

/**
 * OpenClaw writes its title over its arguments. Then the executable is known, the package from what its helpers were
 * started with, and the port from its lock.
 */
function argvOf(site: GatewaySite, pid: number): readonly string[] | undefined {
  const argv = listOf(`/proc/${pid}/cmdline`)
  const executable = linkOf(`/proc/${pid}/exe`)
  if (executable === undefined) return undefined
  if (argv.includes('gateway')) return [executable, ...argv.slice(1)]
  const script = packageOfHelpers(pid) ?? site.bin
  if (script === null) return undefined
  const port = liveLock(site.stateDir)?.port ?? 0
  return [executable, script, 'gateway', 'run', ...(port > 0 ? ['--port', String(port)] : [])]
}

function packageOfHelpers(pid: number): string | undefined {
  const children = readIfThere(`/proc/${pid}/task/${pid}/children`)?.trim().split(' ') ?? []
  for (const child of children) {
    for (const arg of listOf(`/proc/${child}/cmdline`)) {
      const dist = arg.indexOf('/openclaw/dist/')
      const script = dist < 0 ? '' : `${arg.slice(0, dist)}/openclaw/openclaw.mjs`
      if (script !== '' && existsSync(script)) return script
    }
  }
  return undefined
}

function outputOf(pid: number): string | null {
  const file = linkOf(`/proc/${pid}/fd/1`)
  const stat = file?.startsWith('/') ? statSync(file, { throwIfNoEntry: false }) : undefined
  return file !== undefined && stat?.isFile() ? file : null
}

function linkOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errno(error) ?? '')) return undefined
    throw error
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errno(error) ?? '')) return undefined
    throw error
  }
}

/** For a node whose gateway was never seen running. @throws OcmError 'openclaw-missing' */
function firstTime(site: GatewaySite): ProcessMemory {
  if (site.bin === null) throw new OcmError('openclaw-missing')
  const own = Object.entries(process.env).filter(
    (pair): pair is [string, string] =>
      pair[1] !== undefined && /^(?:OPENCLAW_|LC_|LANG$|TZ$|TMPDIR$|USER$|LOGNAME$)/.test(pair[0]),
  )
  return {
    kind: 'none',
    argv: [process.execPath, site.bin, 'gateway', 'run'],
    cwd: site.home,
    env: {
      ...Object.fromEntries(own),
      HOME: site.home,
      PATH: withOwnNode(process.env['PATH']),
      OPENCLAW_STATE_DIR: site.stateDir,
      OPENCLAW_CONFIG_PATH: site.configPath,
    },
    output: path.join(site.stateDir, 'logs', 'gateway.out'),
  }
}

/** A port among the arguments, or in the environment, beats the configured one. */
function withPort(memory: ProcessMemory, layout: Layout): ProcessMemory {
  const port = String(layout.port)
  const argv = memory.argv.filter(
    (arg, i) => !arg.startsWith('--port=') && arg !== '--port' && memory.argv[i - 1] !== '--port',
  )
  const { OPENCLAW_GATEWAY_PORT: pin, ...env } = memory.env
  return {
    ...memory,
    argv: [...argv, '--port', port],
    env: pin === undefined ? env : { ...env, OPENCLAW_GATEWAY_PORT: port },
  }
}

interface Started {
  exited: boolean
  /** Where its output begins in the file it goes to. */
  readonly output: { readonly file: string; readonly from: number } | null
}

/** Enough for the reason why it ended. */
const WORDS = 4000

function wordsOf({ output }: Started): string {
  if (output === null) return ''
  const text = readIfThere(output.file) ?? ''
  return text.slice(Math.max(output.from, text.length - WORDS))
}

/** Runs on when we end. @throws OcmError 'openclaw-missing' */
function launch({ argv, cwd, env, output }: ProcessMemory): Started {
  const [file, ...args] = argv
  if (file === undefined || !existsSync(file)) throw new OcmError('openclaw-missing')
  if (output !== null) mkdirSync(path.dirname(output), { recursive: true, mode: 0o700 })
  const from = output === null ? 0 : (readIfThere(output)?.length ?? 0)
  const state: Started = { exited: false, output: output === null ? null : { file: output, from } }
  const to = output === null ? 'ignore' : openSync(output, 'a', 0o600)
  const child = spawn(file, args, {
    cwd: existsSync(cwd) ? cwd : (env['HOME'] ?? '/'),
    env: { ...env },
    detached: true,
    stdio: ['ignore', to, to],
  })
  const ended = () => {
    state.exited = true
  }
  child.once('exit', ended)
  child.once('error', ended)
  child.unref()
  if (typeof to === 'number') closeSync(to)
  return state
}
