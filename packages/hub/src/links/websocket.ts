/** Where agents dial in: GET /link, upgraded to a WebSocket, then the handshake, then a session. */
import {
  type CarrierKind,
  type Clock,
  type Hello,
  type HubLinkOptions,
  type KeyPair,
  type Primitives,
  type Welcome,
  hubLink,
  overWebSocket,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { createBuckets } from './buckets.ts'

/** Handshakes at a time. Each costs half a millisecond of signing, whoever asks for it. */
const MOST_PENDING = 64
const BURST = 30
const PER_SECOND = 10

export interface LinkNeeds {
  readonly p: Primitives
  readonly clock: Clock
  /** Ed25519; agents pin its public half. */
  readonly identity: KeyPair
  /** Who is this? What it throws the agent is told, sealed. */
  readonly accept: (agentKey: Uint8Array, hello: Hello) => Promise<Welcome>
  readonly onSession: HubLinkOptions['onSession']
  /** A handshake that failed; `address` is for the log alone. */
  readonly onRefused: (error: unknown, address: string) => void
  /** Told of what nobody else is told. */
  readonly fault: (error: unknown) => void
}

/**
 * What the agent at the other end speaks over. An operator's machine may pass on the records of one that it has dialled
 * over ssh (`ocm dial`), which knows of no socket.
 */
const carrierOf = (query: unknown): CarrierKind =>
  (query as Readonly<Record<string, unknown>>)['carrier'] === 'stdio' ? 'stdio' : 'websocket'

/** Into a server that has @fastify/websocket. */
export function linkRoute(server: FastifyInstance, needs: LinkNeeds): void {
  const { p } = needs
  const buckets = createBuckets(() => needs.clock.now(), { burst: BURST, perSecond: PER_SECOND })
  let pending = 0

  server.route({
    method: 'GET',
    url: '/link',
    schema: { hide: true } as object,
    preValidation(request, reply, done) {
      // Agents are not browsers: a page that dials us is an attack on whoever looks at it.
      if (request.headers.origin !== undefined) void reply.code(403).send()
      else if (!buckets.take(request.ip)) void reply.code(429).header('retry-after', 5).send()
      else if (pending >= MOST_PENDING) void reply.code(503).header('retry-after', 5).send()
      else done()
    },
    handler: (_request, reply) => reply.code(426).header('upgrade', 'websocket').send(),
    wsHandler(socket, request) {
      pending++
      const { session } = overWebSocket(socket, (carrier) =>
        hubLink(p, {
          carrier,
          clock: needs.clock,
          kind: carrierOf(request.query),
          identity: needs.identity,
          accept: needs.accept,
          fault: needs.fault,
          onSession: needs.onSession,
        }),
      )
      session
        .catch((error: unknown) => needs.onRefused(error, request.ip))
        .finally(() => {
          pending--
        })
    },
  })
}
