/**
 * Which program runs. Whoever starts the agent starts the one that was installed; that one hands over to the newest release
 * that has proved itself. A release on trial runs as its child, so that what decides is never the code that is judged: if
 * it ends, or is not connected within its time, or was started too often without that (kills, power cuts), it is
 * given up, and what ran before runs again.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { LEAN_ENV, LEAN_FLAGS, type Primitives } from '@ocm/protocol'
import { givenFlags } from '../lean.ts'
import type { Log } from '../log.ts'
import { serviceManager } from '../service-manager.ts'
import { RELEASE_KEY, RELEASE_SERIAL } from './baked.ts'
import {
  type Kept,
  type Verified,
  keep,
  readKept,
  removeOtherPrograms,
  removeProgram,
  serialOf,
  verified,
  worseOf,
} from './kept.ts'
import { BASE, TRIAL } from './words.ts'

const MOST_STARTS = 3
/** How long it may take to connect and stay so. Tests are not so patient. */
const TRIAL_MS = Number(process.env['OCM_AGENT_TRIAL_MS'] ?? 120_000)
const GOODBYE_MS = 40_000

/** Returns when this program is the one to run; otherwise another takes the place of this process. */
export async function launch(p: Primitives, stateDir: string, log: Log): Promise<void> {
  const { env } = process
  if (RELEASE_KEY === undefined || env[BASE] !== undefined) return
  try {
    await handOver(p, RELEASE_KEY, stateDir, log)
  } catch (error) {
    log.error(
      { err: error },
      'what is known of updates cannot be read or written: what was installed runs',
    )
  }
}

async function handOver(p: Primitives, key: Uint8Array, stateDir: string, log: Log): Promise<void> {
  const { good } = await tryOut(p, key, stateDir, await readKept(stateDir), log)
  // An installed program that is newer than what it once updated itself to was installed for that.
  if (!good || (serialOf(p, key, good) ?? 0) <= RELEASE_SERIAL) return
  const release = await verified(p, key, stateDir, good)
  if (release) become(release, log)
}

/** Under the same process id. Where a process cannot give its place to another, what was installed runs. */
function become({ program, version, serial }: Verified, log: Log): void {
  const { env, execPath, argv } = process
  const args = [...LEAN_FLAGS, ...givenFlags(), program, ...argv.slice(2)]
  if (process.execve) {
    process.execve(execPath, [execPath, ...args], { ...env, ...LEAN_ENV, [BASE]: argv[1] })
  }
  log.error({ version, serial }, 'no update can run on this platform: what was installed runs')
}

/** @returns what is known now, and on disk. */
async function tryOut(
  p: Primitives,
  key: Uint8Array,
  stateDir: string,
  kept: Kept,
  log: Log,
): Promise<Kept> {
  const { trial } = kept
  if (!trial) return kept
  const release = await verified(p, key, stateDir, trial.statement)
  const isSpent = trial.starts >= MOST_STARTS
  if (release && !isSpent) {
    // Counted before it runs: what takes the machine down with it is not tried for ever.
    await keep(stateDir, { ...kept, trial: { ...trial, starts: trial.starts + 1 } })
    const { end, isToldToStop } = await supervise(release, log)
    const proven = { ...kept, good: trial.statement, trial: null }
    if (end === 'good') {
      await keep(stateDir, proven)
      log.info({ version: release.version, serial: release.serial }, 'update proved itself')
      await clearOut(stateDir, release.serial, log)
    }
    if (isToldToStop) process.exit(0)
    if (end === 'good') return proven
  }
  const serial = serialOf(p, key, trial.statement)
  const without = { ...kept, trial: null, failed: worseOf(kept.failed, serial) }
  await keep(stateDir, without)
  if (serial !== null) await removeProgram(stateDir, serial)
  log.error({ serial }, 'update did not prove itself: gone back')
  return without
}

async function clearOut(stateDir: string, serial: number, log: Log): Promise<void> {
  try {
    await removeOtherPrograms(stateDir, serial)
  } catch (error) {
    // They cost space alone, and the next that proves itself removes them.
    log.error({ err: error }, 'releases from before are still there')
  }
}

/** Before anything of the release: whatever it is like, it does not outlive the one who judges it. */
const LEASH = `data:text/javascript,${encodeURIComponent(
  "process.once('disconnect',()=>process.exit(1))",
)}`

type End = 'good' | 'failed' | 'told to stop'

const NO_WATCHDOG = { WATCHDOG_PID: undefined, WATCHDOG_USEC: undefined }

async function supervise(
  { program }: Verified,
  log: Log,
): Promise<{ readonly end: End; readonly isToldToStop: boolean }> {
  const { env, execPath, argv } = process
  const flags = [...LEAN_FLAGS, '--import', LEASH, ...givenFlags()]
  // By the one who judges: a release that hangs is to end its trial, not the service.
  const watchdog = serviceManager({ ...env }, (error) => log.error({ err: error }, 'fault'))
  const child = spawn(execPath, [...flags, program, ...argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...env, ...LEAN_ENV, ...NO_WATCHDOG, [BASE]: argv[1], [TRIAL]: '1' },
  })
  const verdict = Promise.withResolvers<End>()
  const late = setTimeout(() => verdict.resolve('failed'), TRIAL_MS)
  let isToldToStop = false
  let kill: NodeJS.Timeout | undefined
  const killIn = (ms: number) => {
    clearTimeout(kill)
    kill = setTimeout(() => child.kill('SIGKILL'), ms)
  }
  const stop = () => {
    isToldToStop = true
    verdict.resolve('told to stop')
    child.kill('SIGTERM')
    killIn(GOODBYE_MS)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  child.on('message', () => verdict.resolve('good'))
  child.once('error', () => verdict.resolve('failed'))
  const exited = once(child, 'exit')
  exited.then(
    () => verdict.resolve('failed'),
    () => verdict.resolve('failed'),
  )
  const end = await verdict.promise
  clearTimeout(late)
  // Not by a signal: the service as a whole goes on. A good one ends what is at work first, however long that takes.
  if (!isToldToStop && child.connected) child.send('stop', () => undefined)
  if (end === 'failed') killIn(5_000)
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) await exited
  clearTimeout(kill)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, stop)
  watchdog.rest()
  return { end, isToldToStop }
}
