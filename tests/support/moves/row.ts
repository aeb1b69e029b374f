/** Plays one row of the matrix: a node is moved, and OpenClaw itself says what is there afterwards. */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { NAMES } from '../canaries.ts'
import type { Fleet } from '../fleet.ts'
import { gatewayPid } from '../node-state.ts'
import { OPENCLAW, isReady, openclawEnv } from '../openclaw.ts'
import { freshMachine, populatedHome } from '../openclaw-home.ts'
import { type AgentPlace, type Running, type Under, spawned } from '../programs.ts'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'
import { type Listed, type Seat, listed, seatAt, toldJobs } from './lists.ts'
import type { Ground, Row } from './matrix.ts'
import { leftovers, pathsInRows } from './scan.ts'

export interface Play {
  readonly fleet: Fleet
  /** For the source, unless it has one of its own: it runs under a gateway that nobody waits for. */
  readonly standIn: string
  /** With which the source is run. */
  readonly source?: string
  /** With which the target is run. */
  readonly openclaw: string
  readonly depth: 'all' | 'few'
  /** What OpenClaw lists of the populated home, wherever it lies. */
  readonly before: Listed
  /** More words for `ocm move`. */
  readonly options?: readonly string[]
}

/** Of a real one, on a machine that has other work too. */
const START_MS = 240_000

/** @returns what is wrong, nothing when all is well */
export async function playRow(play: Play, row: Row, number: number): Promise<readonly string[]> {
  const source = await populatedHome()
  const machine = freshMachine(`moves-${number}`)
  const ports = { source: await freePort(), target: await freePort() }
  const ground: Ground = { source, machine, ports }
  const laid = row.lay(ground)
  const [from, to] = [seatAt(source, laid.sourceUnder), seatAt(laid.target, laid.targetUnder)]
  const before = laid.isListedAnew ? await listed(from, NAMES.persona, play.depth) : play.before
  const agents = await enrolBoth(play, number, [from, to], machine)
  try {
    await runGateway(play.source ?? play.standIn, from, ports.source, START_MS)
    const words = ['--port', String(ports.target), ...(laid.options ?? []), ...(play.options ?? [])]
    const move = await play.fleet.operator.json<{ inventoryEqual: boolean }>(
      ...(['move', `from-${number}`, `to-${number}`, ...words] as const),
    )
    const speaking = [await speaks(ports.target), await isReady(ports.source)]
    const isReal = play.openclaw === OPENCLAW
    const told = isReal ? await toldJobs(to) : undefined
    // Some lists are asked of a gateway that runs, and one that stands in would not know.
    if (!isReal) await stopGateway(to)
    const after = await listed(to, NAMES.persona, play.depth)
    const trees = laid.trees ?? [machine]
    const old = laid.old ?? source
    return [
      ...(move.inventoryEqual ? [] : ['OCM finds the inventories different']),
      ...differences(before, after),
      ...(told === undefined || same(told, before.userCron)
        ? []
        : [`the gateway lists the jobs ${told.join(', ')}`]),
      ...trees
        .flatMap((tree) => leftovers(tree, old))
        .filter((where) => !/^(?:agent-|halt)/.test(where))
        .map((where) => `names the old home: ${where}`),
      ...pathsInRows(to.state, old).map((where) => `names the old home: ${where}`),
      ...(speaking[0] ? [] : ['the target does not speak']),
      ...(speaking[1] ? ['the source speaks'] : []),
      ...(laid.check?.() ?? []),
    ]
  } finally {
    for (const agent of agents) await agent.stop()
    for (const seat of [from, to]) await stopGateway(seat)
    laid.undo?.()
  }
}

export async function enrolBoth(
  play: Play,
  number: number,
  seats: readonly Seat[],
  machine: string,
) {
  const agents: (Running & { place: AgentPlace })[] = []
  for (const [i, label] of [`from-${number}`, `to-${number}`].entries()) {
    const { home, under } = seats[i] as Seat
    const openclaw = i === 0 ? (play.source ?? play.standIn) : play.openclaw
    // A place that each account may write to.
    const state = under?.account ? home : machine
    mkdirSync(state, { recursive: true })
    agents.push(await play.fleet.enrol(label, home, state, openclaw, under))
  }
  return agents
}

/** As a user at a terminal would, and not the agent. */
export async function runGateway(
  program: string,
  seat: Seat,
  port: number,
  timeoutMs = 60_000,
): Promise<void> {
  const under: Under = seat.under ?? {}
  const words = [process.execPath, program, 'gateway', 'run', '--port', String(port)]
  const how = spawned(under, words)
  const child = spawn(how.file, how.args, {
    cwd: seat.home,
    env: { ...openclawEnv(seat.home), ...under.env },
    detached: true,
    stdio: 'ignore',
    ...how.as,
  })
  child.unref()
  await until(() => isReady(port), { timeoutMs, what: 'a gateway is ready' })
}

/** One that has just started on a busy machine answers late. */
export const speaks = (port: number): Promise<boolean> =>
  until(() => isReady(port), { timeoutMs: 60_000, what: 'the gateway answers' }).then(
    () => true,
    () => false,
  )

export async function stopGateway({ home, state, under }: Seat): Promise<void> {
  const pid = gatewayPid(home, state, under?.account?.uid)
  if (pid === undefined) return
  process.kill(pid, 'SIGTERM')
  await until(() => gatewayPid(home, state, under?.account?.uid) === undefined, {
    timeoutMs: 60_000,
    what: 'a gateway of the row ends',
  })
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

export function differences(before: Listed, after: Listed): readonly string[] {
  const keys = Object.keys(before) as (keyof Listed)[]
  return keys
    .filter((key) => !same(before[key], after[key]))
    .map((key) => `${key}: ${JSON.stringify(before[key])} became ${JSON.stringify(after[key])}`)
}
