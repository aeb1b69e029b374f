/** A hub and its operator, and nodes that join it: what most whole-system tests begin with. */
import { join } from 'node:path'
import { OPENCLAW } from './openclaw.ts'
import {
  type AgentPlace,
  type Operator,
  type Running,
  type RunningHub,
  type Under,
  joinAgent,
  operatorAt,
  startAgent,
  startHub,
} from './programs.ts'
import { until } from './until.ts'

export interface Fleet {
  readonly hub: RunningHub
  readonly operator: Operator
  /** Off the printed kit. */
  readonly recoveryCode: string
  /** Joins and runs an agent for `home`; answers when it is connected. `ground` holds the agent's own state. */
  enrol(
    label: string,
    home: string,
    ground: string,
    openclaw?: string,
    under?: Under,
  ): Promise<Running & { place: AgentPlace }>
  stop(): Promise<void>
}

/**
 * A hub that is set up, with its data and its operator's files under `ground`.
 * @param wire the port of something that passes bytes on to the hub; told the hub's own port.
 * @param how the hub is run otherwise than by itself.
 */
export async function startFleet(
  ground: string,
  wire?: { readonly port: number; target(port: number): void },
  how: { readonly more?: readonly string[]; readonly under?: Under } = {},
): Promise<Fleet> {
  const publicUrl = wire && `http://127.0.0.1:${wire.port}`
  const hub = await startHub(join(ground, 'hub'), {
    ...how,
    ...(publicUrl !== undefined && { publicUrl }),
  })
  wire?.target(Number(new URL(hub.url).port))
  const operator = operatorAt(join(ground, 'operator'), publicUrl ?? hub.url)
  const { kit } = await operator.json<{ kit: { code: string } }>(
    'setup',
    '--link',
    hub.setupLink,
    '--name',
    'olivia',
  )
  const agents: Running[] = []
  return {
    hub,
    operator,
    recoveryCode: kit.code,
    async enrol(label, home, agentGround, openclaw = OPENCLAW, under?: Under) {
      const place = { state: join(agentGround, `agent-${label}`), home, openclaw }
      const ticket = await operator.json<{ join: string }>('ticket', '--label', label)
      const joined = await joinAgent(place, ticket.join, under)
      if (joined.code !== 0)
        throw new Error(`${label} does not join:\n${joined.out}\n${joined.err}`)
      const agent = startAgent(place, under)
      agents.push(agent)
      await until(
        async () => {
          if (agent.process.exitCode !== null) throw new Error(`agent ended:\n${agent.output()}`)
          const nodes = await operator.json<{ label: string; online: boolean }[]>('nodes')
          return nodes.some((node) => node.label === label && node.online)
        },
        { timeoutMs: 30_000, what: `${label} is connected`, everyMs: 400 },
      )
      return { ...agent, place }
    },
    async stop() {
      for (const agent of agents) await agent.stop()
      await hub.stop()
    },
  }
}
