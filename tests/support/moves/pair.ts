/**
 * Two homes, their agents, a hub between them, and a node that is moved from one home to the other and back. Each
 * program is a process of its own that can be killed or cut off; after that everything runs again, and it is looked
 * at who speaks.
 */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { isReady, openclawEnv } from '../openclaw.ts'
import { gatewayPid, isRunning } from '../node-state.ts'
import {
  type AgentPlace,
  type Operator,
  type Running,
  type RunningHub,
  joinAgent,
  operatorAt,
  startAgent,
  startHub,
} from '../programs.ts'
import { until } from '../until.ts'
import { HALT, Halting } from './halting.ts'
import { type Wire, startWire } from './wire.ts'

export const SIDES = ['left', 'right'] as const
export type Side = (typeof SIDES)[number]
export const other = (side: Side): Side => (side === 'left' ? 'right' : 'left')

export interface Seat {
  readonly side: Side
  readonly home: string
  readonly port: number
  readonly halting: Halting
  readonly wire: Wire
  readonly place: AgentPlace
  agent: Running
}

interface JobRow {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly error: string | null
  readonly steps: string
}

const FINAL = ['done', 'failed', 'cancelled']

export class Pair {
  readonly seats: Readonly<Record<Side, Seat>>
  readonly operator: Operator
  readonly hubHalting: Halting
  hub: RunningHub

  private constructor(
    hub: RunningHub,
    hubHalting: Halting,
    operator: Operator,
    seats: Record<Side, Seat>,
  ) {
    this.hub = hub
    this.hubHalting = hubHalting
    this.operator = operator
    this.seats = seats
  }

  /** @param homes the left one holds the node, the right one is empty. */
  static async start(given: {
    readonly ground: string
    readonly homes: Readonly<Record<Side, string>>
    readonly ports: Readonly<Record<Side, number>>
    readonly openclaw: string
    /** Where a side has another one. */
    readonly openclawOf?: Partial<Readonly<Record<Side, string>>>
  }): Promise<Pair> {
    const { ground, homes, ports, openclaw, openclawOf = {} } = given
    const hubHalting = new Halting(join(ground, 'halt-hub'))
    const hub = await startHub(join(ground, 'hub'), { under: underOf(hubHalting) })
    const operator = operatorAt(join(ground, 'operator'), hub.url)
    await operator.json('setup', '--link', hub.setupLink, '--name', 'olivia')
    const seats = {} as Record<Side, Seat>
    for (const side of SIDES) {
      const home = homes[side]
      mkdirSync(home, { recursive: true })
      const wire = await startWire(Number(new URL(hub.url).port))
      const halting = new Halting(join(ground, `halt-${side}`))
      const state = join(ground, `agent-${side}`)
      const place = { state, home, openclaw: openclawOf[side] ?? openclaw }
      const ticket = await operator.json<{ join: string }>(
        'ticket',
        '--label',
        side,
        '--address',
        wire.url,
      )
      const joined = await joinAgent(place, ticket.join)
      if (joined.code !== 0) throw new Error(`${side} does not join: ${joined.err}`)
      const agent = startAgent(place, underOf(halting))
      seats[side] = { side, home, port: ports[side], halting, wire, place, agent }
    }
    const pair = new Pair(hub, hubHalting, operator, seats)
    await until(
      async () => {
        const nodes = await operator.json<{ online: boolean }[]>('nodes')
        return nodes.length === 2 && nodes.every(({ online }) => online)
      },
      { timeoutMs: 60_000, what: 'both agents are connected', everyMs: 500 },
    )
    return pair
  }

  /** Runs the gateway of a side as a user at a terminal would. */
  async startGateway(side: Side, timeoutMs = 180_000): Promise<void> {
    const { home, port, place } = this.seats[side]
    const child = spawn(
      process.execPath,
      [place.openclaw, 'gateway', 'run', '--port', String(port)],
      { cwd: home, env: openclawEnv(home), detached: true, stdio: 'ignore' },
    )
    child.unref()
    await until(() => isReady(port), { timeoutMs, what: `the gateway of ${side}` })
  }

  /** Asks for a move; answers when `ocm` has ended, whatever it says: it may have lost its hub. */
  move(from: Side, ...more: readonly string[]) {
    const to = other(from)
    const words = ['move', from, to, '--port', String(this.seats[to].port), ...more]
    return this.operator.ocm(...words, '--json', '--yes')
  }

  /** The newest move, as the hub's catalog has it. */
  lastMove(): JobRow | undefined {
    const catalog = new DatabaseSync(join(this.hub.data, 'catalog.sqlite'), { readOnly: true })
    try {
      return catalog
        .prepare(
          "select id, kind, state, error, steps from jobs where kind = 'move' order by created_at desc limit 1",
        )
        .get() as JobRow | undefined
    } finally {
      catalog.close()
    }
  }

  /** @param known the move before, which it is not. */
  async endOfMove(known: string | undefined, timeoutMs: number): Promise<JobRow> {
    let row: JobRow | undefined
    await until(
      () => {
        row = this.lastMove()
        return row !== undefined && row.id !== known && FINAL.includes(row.state)
      },
      { timeoutMs, what: 'the move ends', everyMs: 100 },
    )
    return row as JobRow
  }

  async killHub(): Promise<void> {
    await this.hub.kill()
  }
  async runHub(): Promise<void> {
    const port = Number(new URL(this.hub.url).port)
    this.hub = await startHub(this.hub.data, { port, under: underOf(this.hubHalting) })
  }
  async killAgent(side: Side): Promise<void> {
    await this.seats[side].agent.kill()
  }
  runAgent(side: Side): void {
    const seat = this.seats[side]
    seat.agent = startAgent(seat.place, underOf(seat.halting))
  }

  /** Whether both agents are connected, as they say themselves. */
  get isWhole(): boolean {
    return SIDES.every((side) => {
      const said = this.seats[side].agent.output()
      const isLost = Math.max(said.lastIndexOf('link-lost'), said.lastIndexOf('hub-unreachable'))
      return said.lastIndexOf('"msg":"connected"') > isLost
    })
  }

  /** Which gateways answer that they are ready. */
  async ready(): Promise<readonly Side[]> {
    const found: Side[] = []
    for (const side of SIDES) if (await isReady(this.seats[side].port)) found.push(side)
    return found
  }

  /** For a report when something is wrong. */
  journals(): string {
    return SIDES.map((side) => {
      const lines = this.seats[side].agent.output().split('\n').slice(-6).join('\n')
      return `${side}:\n${lines}`
    }).join('\n')
  }

  async stop(): Promise<void> {
    for (const side of SIDES) {
      const { agent, wire, home } = this.seats[side]
      await agent.stop()
      wire.close()
      await endGateway(home)
    }
    await this.hub.stop()
    await pause(50)
  }
}

/** As long as it lives it writes into its home, where the next test puts another. */
async function endGateway(home: string): Promise<void> {
  const pid = gatewayPid(home)
  if (pid === undefined) return
  const isGone = () => !isRunning(pid)
  process.kill(pid, 'SIGTERM')
  // With a channel that cannot be reached it would take minutes.
  const isEnded = await until(isGone, { timeoutMs: 20_000, what: 'a gateway ends' }).then(
    () => true,
    () => false,
  )
  if (isEnded) return
  process.kill(pid, 'SIGKILL')
  await until(isGone, { timeoutMs: 20_000, what: 'a gateway is killed' })
}

const underOf = (halting: Halting) => ({ preload: HALT, env: { OCM_HALT: halting.folder } })
