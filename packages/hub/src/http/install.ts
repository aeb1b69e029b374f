/** What an agent is installed with: the installer, the program, the release that is offered. Open: none of it is a secret. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { InstallState, OcmError } from '@ocm/protocol'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Releases } from '../releases/releases.ts'
import { route } from './route.ts'

export interface InstallNeeds {
  /** Paths; undefined where there is none. */
  readonly installer: string | undefined
  readonly agentBundle: string | undefined
  readonly releases: Pick<Releases, 'state' | 'file'>
}

/** At the server itself, where people and scripts ask for it. */
export function installRoutes(server: FastifyInstance, needs: InstallNeeds): void {
  const hide = { schema: { hide: true } } as const
  server.get('/install-agent.sh', hide, (_request, reply) =>
    file(reply, needs.installer, 'text/x-shellscript; charset=utf-8'),
  )
  server.get('/install/ocm-agent.mjs', hide, (_request, reply) =>
    file(reply, needs.agentBundle, 'application/octet-stream'),
  )
  server.get('/install/agent-release', hide, (_request, reply) =>
    file(
      reply,
      needs.releases.state() === null ? undefined : needs.releases.file,
      'application/octet-stream',
    ),
  )
}

const PIECE = 64 * 1024

async function file(reply: FastifyReply, path: string | undefined, type: string) {
  if (path === undefined) throw new OcmError('not-found', { what: 'page' })
  // In pieces, as whoever asks takes them: anybody may ask, and as often as they like.
  const handle = await open(path, 'r')
  const { size } = await handle.stat()
  return reply
    .type(type)
    .header('cache-control', 'no-cache')
    .header('content-length', size)
    .send(handle.createReadStream({ highWaterMark: PIECE }))
}

/** Under /api: by what people tell that they got the right ones. */
export function installStateRoute(api: FastifyInstance, needs: InstallNeeds): void {
  route(api, 'GET', '/install', { answer: InstallState }, async () => ({
    installer: await sumOf(needs.installer),
    agent: await sumOf(needs.agentBundle),
  }))
}

async function sumOf(path: string | undefined): Promise<string | null> {
  if (path === undefined) return null
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
