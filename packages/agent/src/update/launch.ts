/**
 * Which program runs. Whoever starts the agent starts the one that was installed; that one hands over to the newest release
 * that has proved itself. A release on trial runs as its child, so that what decides is never the code that is judged: if
 * it ends, or is not connected within its time, or was started too often without that (kills, power cuts), it is
 * given up, and what ran before runs again.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { LEAN_ENV, LEAN_FLAGS, type Primitives } from '@ocm/protocol'
import type { Log } from '../log.ts'
import { RELEASE_KEY, RELEASE_SERIAL } from './baked.ts'
import { type Kept, type Verified, keep, readKept, removeProgram, verified } from './kept.ts'
import { BASE, TRIAL } from './words.ts'

const MOST_STARTS = 3
/** How long it may take to connect and stay so. Tests are not so patient. */
const TRIAL_MS = Number(process.env['OCM_AGENT_TRIAL_MS'] ?? 120_000)
const GOODBYE_MS = 40_000

/** Returns when this program is the one to run; otherwise another takes the place of this process. */
export async function launch(p: Primitives, stateDir: string, log: Log): Promise<void> {
  const { env } = process
  if (RELEASE_KEY === undefined || env[BASE] !== undefined) return
  const kept = await readKept(stateDir)
  if (kept.trial) await tryOut(p, RELEASE_KEY, stateDir, kept, log)
  const { good } = await readKept(stateDir)
  const release = good && (await verified(p, RELEASE_KEY, stateDir, good))
  // An installed program that is newer than what it once updated itself to was installed for that.
  if (release && release.serial > RELEASE_SERIAL) become(release)
}

/** Under the same process id where that can be; elsewhere this process waits for the other. */
function become({ program }: Verified): void {
  const { env, execPath, execArgv, argv } = process
  const own = { ...env, [BASE]: argv[1] }
  const args = [...execArgv, program, ...argv.slice(2)]
  if (process.execve) process.execve(execPath, [execPath, ...args], own)
}

async function tryOut(
  p: Primitives,
  key: Uint8Array,
  stateDir: string,
  kept: Kept,
  log: Log,
): Promise<void> {
  const { trial } = kept
  if (!trial) return
  const release = await verified(p, key, stateDir, trial.statement)
  const isSpent = trial.starts >= MOST_STARTS
  if (release && !isSpent) {
    // Counted before it runs: what takes the machine down with it is not tried for ever.
    await keep(stateDir, { ...kept, trial: { ...trial, starts: trial.starts + 1 } })
    const end = await supervise(release)
    if (end === 'told to stop') process.exit(0)
    if (end === 'good') {
      await keep(stateDir, { ...kept, good: trial.statement, trial: null })
      log.info({ version: release.version, serial: release.serial }, 'update proved itself')
      return
    }
  }
  const serial = release?.serial ?? null
  await keep(stateDir, { ...kept, trial: null, failed: serial })
  if (serial !== null) await removeProgram(stateDir, serial)
  log.error({ serial }, 'update did not prove itself: gone back')
}

/** Before anything of the release: whatever it is like, it does not outlive the one who judges it. */
const LEASH = `data:text/javascript,${encodeURIComponent(
  "process.once('disconnect',()=>process.exit(1))",
)}`

type End = 'good' | 'failed' | 'told to stop'

async function supervise({ program }: Verified): Promise<End> {
  const { env, execPath, execArgv, argv } = process
  const flags = [...LEAN_FLAGS, '--import', LEASH, ...execArgv]
  const child = spawn(execPath, [...flags, program, ...argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    // The watchdog is told by whoever does the work, and that is the child.
    env: { ...env, ...LEAN_ENV, WATCHDOG_PID: undefined, [BASE]: argv[1], [TRIAL]: '1' },
  })
  const verdict = Promise.withResolvers<End>()
  const late = setTimeout(() => verdict.resolve('failed'), TRIAL_MS)
  const stop = () => verdict.resolve('told to stop')
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
  if (end === 'told to stop') child.kill('SIGTERM')
  // Not by a signal: the service as a whole goes on.
  else if (child.connected) child.send('stop', () => undefined)
  const kill = setTimeout(() => child.kill('SIGKILL'), end === 'failed' ? 5_000 : GOODBYE_MS)
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) await exited
  clearTimeout(kill)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, stop)
  return end
}
