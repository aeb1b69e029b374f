/** What changed, as it changes: one LiveEvent as JSON per message. A client says nothing here. */
import type { LiveEvent } from '@ocm/protocol'
import { OcmError } from '@ocm/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Events } from '../events.ts'
import type { Operator } from '../people/ports.ts'

/** A reader that lets this much pile up is cut off; it fetches everything when it comes again. */
const PILE_BYTES = 1024 * 1024
const PING_MS = 30_000
/** How long a socket may outlive its session. */
const RECHECK_MS = 5_000

export interface LiveNeeds {
  readonly events: Events
  /** Without counting as a sign of life: an open page alone does not keep a session. */
  readonly stillAllowed: (request: FastifyRequest) => Promise<Operator | undefined>
}

export function liveRoute(api: FastifyInstance, { events, stillAllowed }: LiveNeeds): void {
  api.get(
    '/live',
    {
      websocket: true,
      schema: { hide: true },
      onRequest: async (request) => {
        if (!request.operator) throw new OcmError('login-needed')
        // A cookie is sent by any page of any site that opens a socket; only browsers send it, and they name the page.
        const byCookie = request.headers.authorization === undefined
        if (byCookie && request.headers.origin === undefined) throw new OcmError('origin-refused')
      },
    },
    (socket: WebSocket, request: FastifyRequest) => {
      const send = (event: LiveEvent) => {
        if (socket.bufferedAmount > PILE_BYTES) socket.terminate()
        else socket.send(JSON.stringify(event))
      }
      const end = events.subscribe(send)
      let alive = true
      const ping = setInterval(() => {
        if (!alive) return socket.terminate()
        alive = false
        socket.ping()
      }, PING_MS)
      const endWithSession = async () => {
        if (!(await stillAllowed(request))) socket.close(1008)
      }
      const recheck = setInterval(() => {
        endWithSession().catch((error: unknown) => {
          request.log.error({ err: error }, 'live')
          socket.terminate()
        })
      }, RECHECK_MS)
      socket.on('pong', () => {
        alive = true
      })
      socket.on('error', () => socket.terminate())
      socket.on('close', () => {
        clearInterval(ping)
        clearInterval(recheck)
        end()
      })
    },
  )
}
