/** The HTTP server with all that holds for every request: limits, addresses, headers, the error shape, who asks. */
import { randomBytes } from 'node:crypto'
import { OcmError } from '@ocm/protocol'
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import fastify, { type FastifyInstance, LogController } from 'fastify'
import type { Logger } from 'pino'
import type { Served } from '../tls/certificate.ts'
import type { Sessions } from '../people/sessions.ts'
import type { Addresses } from './addresses.ts'
import { answerError } from './errors.ts'
import { addHeaders } from './headers.ts'
import { type Cookies, whoAsks } from './who.ts'

export interface ServerNeeds {
  readonly log: Logger
  readonly addresses: Addresses
  readonly sessions: Sessions
  readonly cookies: Cookies
  /** With it the server speaks https and nothing else. */
  readonly certificate: Served | undefined
  /** Whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** How long sockets may take to say goodbye when the hub stops. */
const GOODBYE_MS = 1_000

/**
 * Where agents dial, and operators' machines pass on the records of agents that they have dialled; no browser may use it, so
 * it is judged by its own plugin.
 */
const LINKS: ReadonlySet<string> = new Set(['/link', '/link?carrier=stdio'])
/** The only other one that upgrades. */
const LIVE = '/api/live'

export const secureContext = ({ certificate, key }: Served) => ({ cert: certificate, key })

export async function createServer(needs: ServerNeeds): Promise<FastifyInstance> {
  const { log, addresses, sessions, cookies, certificate, trustedProxies } = needs
  const patience = {
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16 * 1024,
  }
  const server = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' }),
    genReqId: () => randomBytes(8).toString('hex'),
    requestIdHeader: false,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    bodyLimit: 256 * 1024,
    requestTimeout: 30_000,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 128 },
    ...(certificate === undefined
      ? { http: patience }
      : { https: { ...patience, ...secureContext(certificate), handshakeTimeout: 10_000 } }),
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
      },
    },
  }) as unknown as FastifyInstance
  server.server.maxConnections = 1024
  // Shapes are held by TypeScript and by what catalogs answer; a second one at run time would drop fields silently.
  server.setSerializerCompiler(() => (value) => JSON.stringify(value))
  server.removeContentTypeParser('text/plain')
  server.setErrorHandler(answerError)
  server.decorateRequest('operator', null)

  // Before all hooks: it is what closes the socket of an upgrade that one of them refuses.
  await server.register(cookie)
  await server.register(websocket, {
    preClose(closed) {
      const { websocketServer: sockets } = this
      for (const socket of sockets.clients) socket.close(1001)
      const late = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate()
      }, GOODBYE_MS)
      sockets.close(() => {
        clearTimeout(late)
        closed()
      })
    },
    options: { maxPayload: 128 * 1024, perMessageDeflate: false },
  })
  addHeaders(server)
  server.addHook('onRequest', async (request) => {
    if (LINKS.has(request.url)) return
    addresses.checkHost(request)
    const isSocket = request.ws
    if (isSocket && request.url !== LIVE) throw new OcmError('not-found', { what: 'page' })
    if (isSocket || !READS.has(request.method)) addresses.checkOrigin(request)
  })
  server.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? '',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'request',
    )
  })

  const used = { whose: sessions.use, whoseToken: sessions.whoseToken }
  server.addHook('onRequest', async (request) => {
    if (LINKS.has(request.url)) return
    request.operator = (await whoAsks(request, used, cookies)) ?? null
  })
  return server
}
