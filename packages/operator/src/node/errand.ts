/** Has the agent package do something in a process of its own: it knows OpenClaw's files, we have the keys and the hub. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type Errand,
  ErrandEvent,
  ErrandFrames,
  type ErrandMessage,
  type FetchRange,
  OcmError,
  check,
  encodeErrand,
  errandFrame,
  fromWireError,
} from '@ocm/protocol'
import { areWeEnding, endsWithUs } from './leavings.ts'

export interface Limits {
  readonly timeMs: number
  readonly memoryBytes: number
  /** What it may read and write, by Node's permission model; everything when it is not given. */
  readonly may?: { readonly read: readonly string[]; readonly write: readonly string[] }
}

export interface Hooks {
  readonly onProgress?: (event: Extract<ErrandEvent, { kind: 'progress' }>) => void
  /** Answers what the errand wants of packs. */
  readonly fetch?: FetchRange
  /** Called when a node was enrolled for it; when it has answered, the errand is told to end. */
  readonly onJoined?: (node: string) => Promise<void>
  readonly limits?: Limits
}

/** Beside the one file that `ocm` is; or in the sources that we run from. */
export const AGENT = fileURLToPath(
  import.meta.url.endsWith('.ts')
    ? new URL('../../../agent/src/main.ts', import.meta.url)
    : new URL('./ocm-agent.mjs', import.meta.url),
)
/** What the program itself consists of. */
const PROGRAM = AGENT.endsWith('.ts')
  ? fileURLToPath(new URL('../../../../', import.meta.url))
  : AGENT

const WATCH_MS = 50

/**
 * @returns the errand's result, of which the caller knows the shape.
 * @throws OcmError what it failed with; 'errand-stopped' at a limit; 'errand-failed' when it ended without an answer
 */
export async function runErrand(errand: Errand, hooks: Hooks = {}): Promise<unknown> {
  const child = spawn(process.execPath, [...flagsFor(hooks.limits), AGENT, 'errand'], {
    // Neither OCM_PASSPHRASE_FILE nor OCM_TOKEN nor what points to another OpenClaw.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  endsWithUs(child)
  const stopped = watch(child, hooks.limits)
  try {
    return await talk(child, errand, hooks)
  } catch (error) {
    throw stopped.why() ?? error
  } finally {
    stopped.end()
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }
}

function flagsFor(limits: Limits | undefined): readonly string[] {
  if (!limits) return []
  const heap = `--max-old-space-size=${Math.ceil(limits.memoryBytes / 2 ** 20)}`
  if (!limits.may) return [heap]
  return [
    heap,
    '--permission',
    ...[PROGRAM, ...limits.may.read].map((path) => `--allow-fs-read=${path}`),
    ...limits.may.write.map((path) => `--allow-fs-write=${path}`),
  ]
}

/** Ends the process at its limits. Memory outside of V8's heap is seen by the kernel's count alone. */
function watch(child: ChildProcess, limits: Limits | undefined) {
  let why: OcmError | undefined
  if (!limits) return { why: () => why, end: () => undefined }
  const stop = (limit: string) => {
    why ??= new OcmError('errand-stopped', { limit })
    child.kill('SIGKILL')
  }
  const begun = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - begun > limits.timeMs) stop('time')
    else if (residentBytes(child.pid) > limits.memoryBytes) stop('memory')
  }, WATCH_MS)
  // V8 ends itself at its limit, by SIGABRT.
  child.once('exit', (code, signal) => {
    if (signal === 'SIGABRT' || code === 134) stop('memory')
  })
  return { why: () => why, end: () => clearInterval(timer) }
}

/** 0 where the kernel does not say. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')
    return Number(pages) * 4096
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return 0
    throw error
  }
}

const STDERR_KEPT = 4000

function talk(child: ChildProcess, errand: Errand, hooks: Hooks): Promise<unknown> {
  const frames = new ErrandFrames()
  let said = ''
  const send = (message: ErrandMessage, body?: Uint8Array) => {
    child.stdin?.write(errandFrame(message, body))
  }
  return new Promise((resolve, reject) => {
    const take = (event: ErrandEvent) => {
      switch (event.kind) {
        case 'progress':
          return hooks.onProgress?.(event)
        case 'want':
          return void answer(event, hooks.fetch, send).catch(reject)
        case 'joined':
          return void (hooks.onJoined?.(event.node) ?? Promise.resolve())
            .then(() => send({ kind: 'finish' }))
            .catch(reject)
        case 'done':
          return resolve(event.result)
        case 'failed': {
          const cause = event.detail === '' ? undefined : new Error(event.detail)
          const { code, facts } = fromWireError(event)
          return reject(new OcmError(code, facts, { cause }))
        }
      }
    }
    child.stdout?.on('data', (part: Buffer) => {
      try {
        for (const { json } of frames.push(part)) take(check(ErrandEvent, json, 'errand'))
      } catch (error) {
        reject(error as Error)
      }
    })
    child.stderr?.on('data', (part: Buffer) => {
      said = (said + part.toString()).slice(-STDERR_KEPT)
    })
    // A process that ended does not read what it is sent; how it ended says more.
    child.stdin?.on('error', () => undefined)
    child.once('error', (cause) => reject(new OcmError('errand-failed', {}, { cause })))
    child.once('close', () => {
      // Nothing is to be said of it then, nor done.
      if (!areWeEnding())
        reject(new OcmError('errand-failed', {}, { cause: new Error(said.trim()) }))
    })
    send({ kind: 'begin' }, encodeErrand(errand))
  })
}

async function answer(
  { n, pack, offset, length }: Extract<ErrandEvent, { kind: 'want' }>,
  fetch: FetchRange | undefined,
  send: (message: ErrandMessage, body?: Uint8Array) => void,
): Promise<void> {
  try {
    if (!fetch) throw new OcmError('pack-missing', { pack })
    const bytes = await fetch(pack, offset, length)
    send({ kind: 'range', n, code: '' }, bytes)
  } catch (error) {
    if (!(error instanceof OcmError)) throw error
    send({ kind: 'range', n, code: error.code })
  }
}
