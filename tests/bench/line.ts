/**
 * The whole line on a populated node with its gateway running: a first backup, one of an unchanged node, a move.
 * Wall time by step, bytes, peak memory. `--json`: one object on the last line.
 */
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startFleet } from '../support/fleet.ts'
import { startMockModel } from '../support/mock-model.ts'
import { gatewayPid } from '../support/node-state.ts'
import { startGateway } from '../support/openclaw.ts'
import { GATEWAY_PORT, MODEL_PORT, freshMachine, populatedHome } from '../support/openclaw-home.ts'
import { setup } from '../support/build.ts'

interface Job {
  readonly downtimeMs: number | null
  readonly startedAt: number
  readonly endedAt: number
  readonly steps: readonly { name: string; startedAt: number; endedAt: number }[]
}
interface Snapshot {
  readonly metrics: { readonly bytes: number; readonly storedBytes: number; readonly files: number }
  readonly storedBytes: number
}

/** Resident memory in MB, now and at its highest, as the kernel counts it. */
function memory(pid: number | undefined): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kiB = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0)
  return { now: Math.round(kiB('VmRSS') / 1024), peak: Math.round(kiB('VmHWM') / 1024) }
}

const seconds = (ms: number) => Math.round(ms / 100) / 10

setup()
const alice = await populatedHome()
const model = await startMockModel(MODEL_PORT)
const ground = freshMachine('bench-line')
const fleet = await startFleet(ground)
const bob = join(ground, 'srv', 'bob')
await mkdir(bob, { recursive: true })
try {
  const gateway = await startGateway(alice, GATEWAY_PORT)
  const source = await fleet.enrol('alpha', alice, join(ground, 'a'))
  const target = await fleet.enrol('beta', bob, join(ground, 'b'))
  await pause(5000) // Idle is what is left when starting is over.
  const idle = {
    agent: memory(source.process.pid).now,
    hub: memory(fleet.hub.process.pid).now,
  }
  const timed = async (...args: readonly string[]) => {
    const began = performance.now()
    const job = await fleet.operator.json<Job>(...args)
    return { job, wall: seconds(performance.now() - began) }
  }
  const first = await timed('backup', 'alpha')
  const second = await timed('backup', 'alpha')
  const [unchanged, whole] = await fleet.operator.json<Snapshot[]>('snapshots', 'alpha')
  const move = await timed('move', 'alpha', 'beta', '--port', String(GATEWAY_PORT + 20))
  const steps = Object.fromEntries(
    move.job.steps.map(({ name, startedAt, endedAt }) => [name, seconds(endedAt - startedAt)]),
  )
  const figures = {
    backupSeconds: seconds(first.job.endedAt - first.job.startedAt),
    unchangedBackupSeconds: seconds(second.job.endedAt - second.job.startedAt),
    bytes: whole?.metrics.bytes,
    files: whole?.metrics.files,
    storedBytes: whole?.storedBytes,
    unchangedStoredBytes: unchanged?.metrics.storedBytes,
    moveSeconds: move.wall,
    moveStepSeconds: steps,
    downtimeSeconds: seconds(move.job.downtimeMs ?? 0),
    agentIdleMB: idle.agent,
    hubIdleMB: idle.hub,
    sourcePeakMB: memory(source.process.pid).peak,
    targetPeakMB: memory(target.process.pid).peak,
    hubPeakMB: memory(fleet.hub.process.pid).peak,
  }
  await gateway.stop()
  for (const [name, figure] of Object.entries(figures)) {
    console.log(`${name.padEnd(24)}${JSON.stringify(figure)}`)
  }
  if (process.argv.includes('--json')) console.log(JSON.stringify(figures))
} finally {
  await fleet.stop()
  model.close()
  for (const home of [alice, bob]) {
    const pid = gatewayPid(home)
    if (pid !== undefined) process.kill(pid, 'SIGTERM')
  }
}
