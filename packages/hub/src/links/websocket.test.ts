import { once } from 'node:events'
import websocket from '@fastify/websocket'
import {
  type AgentLinkOptions,
  type AgentSession,
  type Clock,
  type HubSession,
  OcmError,
  agentLink,
  newId,
  overWebSocket,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import Fastify from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createLinks } from './links.ts'
import { type LinkNeeds, linkRoute } from './websocket.ts'

const clock: Clock = { now: () => performance.now(), setTimeout, clearTimeout }
const hubIdentity = p.ed25519Pair()
const node = newId(p)

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function listen(wishes: Partial<LinkNeeds> = {}) {
  const server = Fastify()
  await server.register(websocket, { options: { maxPayload: 65_536 } })
  const links = createLinks()
  const sessions: HubSession[] = []
  const refused: unknown[] = []
  linkRoute(server, {
    p,
    clock,
    identity: hubIdentity,
    accept: () => Promise.resolve({ node, version: 1, seq: 1, heartbeatMs: 20_000, record: '' }),
    onSession(session) {
      links.add(node, session)
      sessions.push(session)
      session.handle('snapshot.head', () => Promise.resolve({ header: 'AAAA' }))
    },
    onRefused: (error) => refused.push(error),
    fault: (error) => expect.fail(String(error)),
    ...wishes,
  })
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  open.push(() => {
    links.closeAll('hub-stopping')
    return server.close()
  })
  return { url: `${url.replace('http', 'ws')}/link`, links, sessions, refused }
}

async function dial(url: string, wishes: Partial<AgentLinkOptions> = {}): Promise<AgentSession> {
  const socket = new WebSocket(url)
  open.push(() => socket.terminate())
  await once(socket, 'open')
  return overWebSocket(socket, (carrier) =>
    agentLink(p, {
      carrier,
      clock,
      kind: 'websocket',
      identity: p.ed25519Pair(),
      pinnedHub: hubIdentity.public,
      minVersion: 1,
      hello: {
        min: 1,
        max: 1,
        capabilities: [],
        agentVersion: '0.1.0',
        boot: node,
        seq: 0,
        enrol: null,
      },
      onWelcome: () => Promise.resolve(),
      onSession: () => {},
      fault: (error) => expect.fail(String(error)),
      ...wishes,
    }),
  ).session
}

/** The status that an upgrade is answered with; 101 when it is let through. */
async function knock(url: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(url, { headers })
  open.push(() => socket.terminate())
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  socket.on('open', () => resolve(101))
  socket.on('unexpected-response', (_request, response) => {
    resolve(response.statusCode ?? 0)
    response.resume()
  })
  socket.on('error', reject)
  return promise
}

describe('GET /link', () => {
  it('lets an agent in, answers it and keeps it as the session of its node', async () => {
    const hub = await listen()
    const session = await dial(hub.url)
    expect((await session.request('snapshot.head', {})).result).toEqual({ header: 'AAAA' })
    expect(hub.links.get(node)).toBe(hub.sessions[0])
  })

  it('takes the records of an agent that speaks over pipes, when it is told so', async () => {
    const hub = await listen()
    const session = await dial(`${hub.url}?carrier=stdio`, { kind: 'stdio' })
    expect((await session.request('snapshot.head', {})).result).toEqual({ header: 'AAAA' })
    await expect(dial(hub.url, { kind: 'stdio' })).rejects.toMatchObject({ code: 'seal-broken' })
  })

  it('refuses whatever comes from a web page', async () => {
    const hub = await listen()
    expect(await knock(hub.url, { origin: 'http://127.0.0.1' })).toBe(403)
  })

  it('refuses a plain request', async () => {
    const hub = await listen()
    expect((await fetch(hub.url.replace('ws', 'http'))).status).toBe(426)
  })

  it('lets one address knock 30 times at once and no more', async () => {
    let now = 0
    const hub = await listen({ clock: { ...clock, now: () => now } })
    const statuses: number[] = []
    for (let n = 0; n < 31; n++) statuses.push(await knock(hub.url))
    expect(statuses).toEqual([...Array.from({ length: 30 }, () => 101), 429])
    now += 100
    expect(await knock(hub.url)).toBe(101)
  })

  it('holds no more than 64 handshakes at a time', async () => {
    let now = 0
    const hub = await listen({ clock: { ...clock, now: () => now } })
    for (let n = 0; n < 64; n++) {
      expect(await knock(hub.url)).toBe(101)
      now += 100
    }
    expect(await knock(hub.url)).toBe(503)
  })

  it('tells an agent why it is not let in, and the log', async () => {
    const hub = await listen({ accept: () => Promise.reject(new OcmError('node-unknown')) })
    await expect(dial(hub.url)).rejects.toMatchObject({ code: 'node-unknown' })
    expect(hub.refused).toMatchObject([{ code: 'node-unknown' }])
    expect(hub.links.get(node)).toBeUndefined()
  })

  it('cuts off a socket that sends text', async () => {
    const hub = await listen()
    const socket = new WebSocket(hub.url)
    await once(socket, 'open')
    socket.send('hello')
    await once(socket, 'close')
    expect(hub.sessions).toEqual([])
  })
})

describe('the sessions of a node', () => {
  it('are one: a newer takes the place of an older, which is told', async () => {
    const hub = await listen()
    const first = await dial(hub.url)
    const second = await dial(hub.url)
    expect((await first.closed).code).toBe('link-replaced')
    expect((await second.request('snapshot.head', {})).result.header).toBe('AAAA')
    expect(hub.links.get(node)).toBe(hub.sessions[1])
  })

  it('are forgotten when they end', async () => {
    const hub = await listen()
    const session = await dial(hub.url)
    await session.request('snapshot.head', {})
    session.close('link-lost')
    await hub.sessions[0]?.closed
    await Promise.resolve()
    expect(hub.links.get(node)).toBeUndefined()
  })

  it('are closed with a reason', async () => {
    const hub = await listen()
    const session = await dial(hub.url)
    await session.request('snapshot.head', {})
    hub.links.close(node, 'node-cloned')
    expect((await session.closed).code).toBe('node-cloned')
  })
})
