/**
 * One end of a link over one carrier, from its first record to its last: the handshake, then the session. Carriers
 * call `receive`, `drained` and `lost` and need to know nothing else.
 */
import { OcmError } from '../errors.ts'
import { type Hello, TO_AGENT, TO_HUB, type Welcome } from '../messages.ts'
import type { Primitives } from '../primitives/primitives.ts'
import type { Methods } from './calls.ts'
import type { Carrier } from './carrier.ts'
import type { Clock } from './clock.ts'
import {
  type AgentHandshake,
  type AgentShaken,
  type HubHandshake,
  type HubShaken,
  agentHandshake,
  hubHandshake,
} from './handshake.ts'
import { Inbox, type Wire } from './inbox.ts'
import { Session } from './session.ts'

/** For the whole handshake, what the hub looks up and the agent writes down included. */
const HANDSHAKE_MS = 10_000

export type AgentSession = Session<typeof TO_AGENT, typeof TO_HUB>
export type HubSession = Session<typeof TO_HUB, typeof TO_AGENT>

interface Common {
  readonly carrier: Carrier
  readonly clock: Clock
  readonly fault: (error: unknown) => void
}

export interface AgentLinkOptions extends Common, AgentHandshake {
  /** Attaches the handlers, at once: what the hub asked meanwhile is handed out when it returns. */
  readonly onSession: (session: AgentSession, welcome: Welcome) => void
}

/** Which agent a session is with, and what both said at its beginning. */
export interface About {
  readonly agentKey: Uint8Array
  readonly hello: Hello
  readonly welcome: Welcome
}

export interface HubLinkOptions extends Common, HubHandshake {
  /** As above. The agent has by now written down the sequence of its welcome. */
  readonly onSession: (session: HubSession, about: About) => void
}

export interface LinkEnd<M extends Methods, T extends Methods> {
  receive(record: Uint8Array): void
  drained(): void
  lost(cause?: unknown): void
  /** Rejected with an OcmError when the handshake fails; the carrier is closed then. */
  readonly session: Promise<Session<M, T>>
}

export function agentLink(
  p: Primitives,
  options: AgentLinkOptions,
): LinkEnd<typeof TO_AGENT, typeof TO_HUB> {
  return open(
    options,
    (wire) => agentHandshake(p, wire, options),
    ({ transport, welcome }: AgentShaken) => {
      const { carrier, clock, fault } = options
      const session = new Session({
        carrier,
        transport,
        clock,
        fault,
        side: 'agent',
        mine: TO_AGENT,
        theirs: TO_HUB,
        heartbeatMs: welcome.heartbeatMs,
      })
      options.onSession(session, welcome)
      return session
    },
  )
}

export function hubLink(
  p: Primitives,
  options: HubLinkOptions,
): LinkEnd<typeof TO_HUB, typeof TO_AGENT> {
  return open(
    options,
    (wire) => hubHandshake(p, wire, options),
    ({ transport, agentKey, hello, welcome }: HubShaken) => {
      const { carrier, clock, fault } = options
      const session = new Session({
        carrier,
        transport,
        clock,
        fault,
        side: 'hub',
        mine: TO_HUB,
        theirs: TO_AGENT,
        heartbeatMs: welcome.heartbeatMs,
      })
      options.onSession(session, { agentKey, hello, welcome })
      return session
    },
  )
}

function open<Shaken, M extends Methods, T extends Methods>(
  { carrier, clock }: Common,
  shake: (wire: Wire) => Promise<Shaken>,
  begin: (shaken: Shaken) => Session<M, T>,
): LinkEnd<M, T> {
  const inbox = new Inbox()
  let live: Session<M, T> | null = null

  const opening = async () => {
    const timer = clock.setTimeout(() => inbox.fail(new OcmError('deadline-passed')), HANDSHAKE_MS)
    try {
      const shaken = await shake({
        send: (record) => carrier.send(record),
        next: (atMost) => inbox.next(atMost),
        trust: () => inbox.trust(),
        failed: inbox.failed,
      })
      live = begin(shaken)
      for (const record of inbox.rest()) live.receive(record)
      if (inbox.failure) live.lost(inbox.failure)
      return live
    } catch (error) {
      carrier.close()
      throw error
    } finally {
      clock.clearTimeout(timer)
    }
  }

  return {
    receive: (record) => (live ? live.receive(record) : inbox.push(record)),
    drained: () => live?.drained(),
    lost(cause) {
      if (live) live.lost(cause)
      else inbox.fail(new OcmError('link-lost', {}, { cause }))
    },
    session: opening(),
  }
}
