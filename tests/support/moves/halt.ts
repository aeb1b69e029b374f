/**
 * Loaded into a hub or an agent before its own code (`node --import`): notes what is journalled, and stands still or
 * dies at a point that a test has named. An agent's points are the states that it writes into its journal, the hub's
 * are what its catalog keeps of a job. OCM_HALT is a directory: `trace` lies in it, and `at` when there is a point.
 */
import processes from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import files from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { StatementSync } from 'node:sqlite'
import type { Met } from './halting.ts'

const folder = process.env['OCM_HALT']
const seen = new Map<string, number>()

/** Returns at once unless it is the point. */
function meet(label: string, when: Met['when']): void {
  if (folder === undefined) return
  appendFileSync(join(folder, 'trace'), `${JSON.stringify({ label, when, at: Date.now() })}\n`)
  const order = join(folder, 'at')
  if (!existsSync(order)) return
  const point = JSON.parse(readFileSync(order, 'utf8')) as Met & { readonly act: 'die' | 'stand' }
  if (point.label !== label || point.when !== when) return
  renameSync(order, join(folder, 'met'))
  if (point.act === 'die') process.kill(process.pid, 'SIGKILL')
  // Nothing of this process goes on: no timer, no heartbeat.
  const cell = new Int32Array(new SharedArrayBuffer(4))
  while (!existsSync(join(folder, 'go'))) Atomics.wait(cell, 0, 0, 5)
}

/** A state that comes a second time in one job is another point: a move is staged twice. */
function numbered(job: string, label: string): string {
  const n = (seen.get(`${job} ${label}`) ?? 0) + 1
  seen.set(`${job} ${label}`, n)
  return n === 1 ? label : `${label} ${n}`
}

const rename = files.rename
files.rename = async (from, to) => {
  const [, job, role] = /\/journal\/([^/]+)\/(\w+)\.json$/.exec(String(to)) ?? []
  if (job === undefined || role === undefined) return rename(from, to)
  const { state } = JSON.parse(readFileSync(String(from), 'utf8')) as { state: string }
  const label = numbered(job, `${role} ${state}`)
  meet(label, 'before')
  await rename(from, to)
  meet(label, 'after')
}

interface Step {
  readonly name: string
  readonly state: string
}

type Run = (this: StatementSync, ...given: unknown[]) => unknown
const runStatement = StatementSync.prototype.run as Run
const noted: Run = function run(...given) {
  const label = labelOf(given)
  if (label !== undefined) meet(label, 'before')
  const answer = runStatement.apply(this, given)
  if (label !== undefined) meet(label, 'after')
  return answer
}
StatementSync.prototype.run = noted as StatementSync['run']

/** Undefined for what is not a job that applies something. Each statement that it has got is a point of its own. */
function labelOf(given: readonly unknown[]): string | undefined {
  const json = given.find((value) => typeof value === 'string' && value.startsWith('[{"name":"'))
  if (json === undefined || given.every((value) => value !== 'move')) return undefined
  const steps = JSON.parse(String(json)) as readonly Step[]
  const at = steps.findLast(({ state }) => state !== 'pending')
  const state = given.find((value) => /^(?:done|failed|cancelled)$/.test(String(value)))
  if (state !== undefined) return `hub ${String(state)}`
  const words = given.filter((value) => value instanceof Uint8Array).length
  return at ? `hub ${at.name} ${at.state} ${words}` : 'hub queued'
}

const { spawn } = processes
processes.spawn = ((file: string, args: readonly string[], options: object) => {
  if (Array.isArray(args) && args.includes('gateway')) meet('SPAWN', 'before')
  return spawn(file, args, options)
}) as typeof spawn

const kill = process.kill.bind(process)
process.kill = (pid, signal) => {
  if (signal === 'SIGTERM') meet('SIGTERM', 'before')
  return kill(pid, signal)
}
syncBuiltinESMExports()
if (folder !== undefined) writeFileSync(join(folder, 'pid'), String(process.pid))
