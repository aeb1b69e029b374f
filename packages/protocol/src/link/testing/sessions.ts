/** Two sessions joined in memory, as a handshake would leave them, for tests. */
import { fromHex } from '../../bytes.ts'
import { TO_AGENT, TO_HUB } from '../../messages.ts'
import type { Primitives } from '../../primitives/primitives.ts'
import { CipherState } from '../noise.ts'
import type { AgentSession, HubSession } from '../open.ts'
import { Session } from '../session.ts'
import { transportOf } from '../transport.ts'
import { ManualClock } from './manual-clock.ts'
import { memoryCarriers } from './memory.ts'

export const HEARTBEAT_MS = 20_000

const keys = {
  up: fromHex('11'.repeat(32)),
  down: fromHex('22'.repeat(32)),
}

const ends = (p: Primitives) => {
  const cipher = (key: Uint8Array) => new CipherState(p, key)
  return {
    agent: transportOf({ sending: cipher(keys.up), receiving: cipher(keys.down), hash: keys.up }),
    hub: transportOf({ sending: cipher(keys.down), receiving: cipher(keys.up), hash: keys.up }),
  }
}

export function joinedSessions(p: Primitives) {
  const [agentCarrier, hubCarrier] = memoryCarriers()
  const clock = new ManualClock()
  const transports = ends(p)
  const faults: unknown[] = []
  const common = { clock, heartbeatMs: HEARTBEAT_MS, fault: (e: unknown) => void faults.push(e) }
  const agent: AgentSession = new Session({
    ...common,
    carrier: agentCarrier,
    transport: transports.agent,
    side: 'agent',
    mine: TO_AGENT,
    theirs: TO_HUB,
  })
  const hub: HubSession = new Session({
    ...common,
    carrier: hubCarrier,
    transport: transports.hub,
    side: 'hub',
    mine: TO_HUB,
    theirs: TO_AGENT,
  })
  agentCarrier.connect(agent)
  hubCarrier.connect(hub)
  return { agent, hub, agentCarrier, hubCarrier, clock, faults }
}

/** A hub's session and the bare other end of it: whoever holds the agent's keys can send what frames they like. */
export function hubAgainstFrames(p: Primitives) {
  const [agentCarrier, hubCarrier] = memoryCarriers()
  const clock = new ManualClock()
  const transports = ends(p)
  const heard: Uint8Array[] = []
  const faults: unknown[] = []
  const hub: HubSession = new Session({
    clock,
    heartbeatMs: HEARTBEAT_MS,
    fault: (error) => void faults.push(error),
    carrier: hubCarrier,
    transport: transports.hub,
    side: 'hub',
    mine: TO_HUB,
    theirs: TO_AGENT,
  })
  hubCarrier.connect(hub)
  agentCarrier.connect({
    receive: (record) => void heard.push(transports.agent.open(record)),
    drained: () => {},
    lost: () => {},
  })
  return {
    hub,
    hubCarrier,
    clock,
    faults,
    /** Frames that the hub has sent. */
    heard,
    send: (...frames: readonly Uint8Array[]) => {
      for (const bytes of frames) agentCarrier.send(transports.agent.seal(bytes))
    },
  }
}
