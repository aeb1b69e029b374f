/** Puts the hub together: the only place that knows every part. */
import { mkdir } from 'node:fs/promises'
import { OcmError } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { openCatalog } from './catalog/open.ts'
import type { Config } from './config.ts'
import { addressesOf } from './http/addresses.ts'
import { dashboardRoutes } from './http/dashboard.ts'
import { healthRoutes } from './http/health.ts'
import { peopleRoutes } from './http/people.ts'
import { createServer } from './http/server.ts'
import { cookies as cookiesFor } from './http/who.ts'
import { hubIdentity, removeSetupLink, setupLink } from './identity.ts'
import { createLog } from './log.ts'
import { createPasswords } from './people/password.ts'
import { createSessions } from './people/sessions.ts'
import { createThrottle } from './people/throttle.ts'

export interface HubOptions extends Partial<Omit<Config, 'data'>> {
  readonly data: string
  /** Milliseconds since 1970; the one clock of the hub. */
  readonly now?: () => number
  readonly log?: Logger
}

export interface Hub {
  readonly fastify: FastifyInstance
  /** Where it listens. */
  readonly url: string
  /** The one-time link, while the hub is not set up. */
  readonly setupLink: string | undefined
  close(): Promise<void>
}

const VERSION = '0.1.0'

/** @throws OcmError 'port-taken', 'catalog-failed', 'store-failed' */
export async function buildHub(options: HubOptions): Promise<Hub> {
  const { data, host = '127.0.0.1', port = 0, publicUrl, ui, now = Date.now } = options
  const log = options.log ?? createLog('warn')
  await mkdir(data, { recursive: true, mode: 0o700 })
  const identity = await hubIdentity(p, data)
  const catalog = await openCatalog(`${data}/catalog.sqlite`)
  const { people, audit } = catalog

  const link = (await people.isSetUp()) ? undefined : await setupLink(p, data)
  if (!link) await removeSetupLink(data)
  let linkOpen = link !== undefined

  const passwords = createPasswords(p)
  const sessions = createSessions(p, people, now)
  const cookies = cookiesFor(publicUrl?.protocol === 'https:')
  const addresses = addressesOf(publicUrl)
  const server = await createServer({ log, addresses, sessions, cookies })

  healthRoutes(server, { probes: { catalog: catalog.probe } })
  await server.register(
    async (api) => {
      peopleRoutes(api, {
        sessions,
        cookies,
        version: VERSION,
        setup: {
          p,
          people,
          audit,
          passwords,
          now,
          throttle: createThrottle(now, 10),
          hubKey: identity.public,
          secretHash: () => link?.hash,
          keep: async () => {},
          closed: async () => {
            linkOpen = false
            await link?.close()
          },
        },
        login: {
          people,
          audit,
          passwords,
          now,
          throttle: { pair: createThrottle(now, 5), address: createThrottle(now, 20) },
        },
      })
    },
    { prefix: '/api' },
  )
  await dashboardRoutes(server, ui)

  const close = async () => {
    await server.close()
    await catalog.close()
  }
  let url: string
  try {
    url = await server.listen({ host, port })
  } catch (cause) {
    await close()
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new OcmError('port-taken', { port }, { cause })
    }
    throw cause
  }
  const shown = publicUrl?.href.replace(/\/$/, '') ?? url
  return {
    fastify: server,
    url,
    get setupLink() {
      return linkOpen && link ? `${shown}/setup#${link.secret}` : undefined
    },
    close,
  }
}
