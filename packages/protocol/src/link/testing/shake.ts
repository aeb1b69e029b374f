/** A whole handshake in memory, for tests: what each side does with it, and what both have sent. */
import { OcmError } from '../../errors.ts'
import type { Hello, Welcome } from '../../messages.ts'
import type { Primitives } from '../../primitives/primitives.ts'
import type { AgentHandshake, HubHandshake } from '../handshake.ts'
import { agentLink, hubLink } from '../open.ts'
import { ManualClock, settled } from './manual-clock.ts'
import { type MemoryCarrier, memoryCarriers } from './memory.ts'

export const id = '0123456789abcdef0123456789abcdef'

export const hello: Hello = {
  min: 1,
  max: 1,
  capabilities: [],
  agentVersion: '0.1.0',
  boot: id,
  seq: 0,
  enrol: null,
}
export const welcome: Welcome = { node: id, version: 1, seq: 1, heartbeatMs: 20_000, record: '' }

export interface Wishes {
  readonly agent?: Partial<AgentHandshake>
  readonly hub?: Partial<HubHandshake>
  readonly before?: (agent: MemoryCarrier, hub: MemoryCarrier) => void
}

/** Handshakes between the real ends, over the primitives under test. */
export const shaker = (p: Primitives) => {
  const hubIdentity = p.ed25519Pair()
  const agentIdentity = p.ed25519Pair()

  /** Each outcome is 'open' or the code of the error. */
  async function shake({ agent, hub, before }: Wishes = {}) {
    const [agentCarrier, hubCarrier] = memoryCarriers()
    before?.(agentCarrier, hubCarrier)
    const clock = new ManualClock()
    const faults: unknown[] = []
    const common = { clock, kind: 'websocket', fault: (e: unknown) => faults.push(e) } as const
    const accepted: Uint8Array[] = []
    const agentEnd = agentLink(p, {
      ...common,
      carrier: agentCarrier,
      identity: agentIdentity,
      pinnedHub: hubIdentity.public,
      minVersion: 1,
      hello,
      onWelcome: () => Promise.resolve(),
      onSession: () => {},
      ...agent,
    })
    const hubEnd = hubLink(p, {
      ...common,
      carrier: hubCarrier,
      identity: hubIdentity,
      accept(key) {
        accepted.push(key)
        return Promise.resolve(welcome)
      },
      onSession: () => {},
      ...hub,
    })
    const outcomes = Promise.all(
      [agentEnd, hubEnd].map(({ session }) =>
        session.then(
          () => 'open',
          (error: unknown) => (error instanceof OcmError ? error.code : error),
        ),
      ),
    )
    agentCarrier.connect(agentEnd)
    hubCarrier.connect(hubEnd)
    await settled()
    // Whoever still waits now would wait for ever.
    await clock.advance(10_000)
    const [agentOutcome, hubOutcome] = await outcomes
    return { agentOutcome, hubOutcome, agentEnd, hubEnd, agentCarrier, hubCarrier, accepted, clock }
  }
  return { shake, hubIdentity, agentIdentity }
}

/** Changes the nth record of a carrier. */
export const nth = (n: number, change: (record: Uint8Array) => readonly Uint8Array[]) => {
  let count = 0
  return (record: Uint8Array) => (count++ === n ? change(record) : [record])
}

export const flipped = (record: Uint8Array, bit: number) => {
  const copy = record.slice()
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}
