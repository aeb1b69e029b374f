import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Clock,
  type HubLinkOptions,
  type HubSession,
  OcmError,
  type Welcome,
  hubLink,
  newId,
  overWebSocket,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type WebSocket, WebSocketServer } from 'ws'
import { type ConnectOptions, connect, dial } from './websocket.ts'

const clock: Clock = { now: () => performance.now(), setTimeout, clearTimeout }
const hubIdentity = p.ed25519Pair()
const node = newId(p)

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

/** A hub of one route: every socket gets a hub's end of the link. */
async function listen(wishes: Partial<HubLinkOptions> = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 65_536 })
  const sockets: WebSocket[] = []
  const sessions = Array.from({ length: 4 }, () => Promise.withResolvers<HubSession>())
  let opened = 0
  const paths: (string | undefined)[] = []
  server.on('connection', (socket, request) => {
    sockets.push(socket)
    paths.push(request.url)
    const end = overWebSocket(socket, (carrier) =>
      hubLink(p, {
        carrier,
        clock,
        kind: 'websocket',
        identity: hubIdentity,
        accept: (_key, hello) =>
          Promise.resolve({
            node,
            version: 1,
            seq: hello.seq + 1,
            heartbeatMs: 20_000,
            record: '',
          }),
        onSession: (session) => sessions[opened++]?.resolve(session),
        fault: (error) => expect.fail(String(error)),
        ...wishes,
      }),
    )
    // Tests look at the agent's side of a failed handshake.
    end.session.catch(() => undefined)
  })
  await once(server, 'listening')
  open.push(() => {
    for (const socket of sockets) socket.terminate()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const session = (n: number) => sessions[n]?.promise as Promise<HubSession>
  return { url: `ws://127.0.0.1:${port}`, sockets, session, paths }
}

function agent(urls: readonly string[], wishes: Partial<ConnectOptions> = {}) {
  const stored = { seq: 0 }
  const options: ConnectOptions = {
    p,
    clock,
    urls,
    identity: p.ed25519Pair(),
    pinnedHub: hubIdentity.public,
    minVersion: () => 1,
    hello: () =>
      Promise.resolve({
        min: 1,
        max: 1,
        capabilities: [],
        agentVersion: '0.1.0',
        boot: newId(p),
        seq: stored.seq,
        enrol: null,
      }),
    onWelcome({ seq }: Welcome) {
      stored.seq = seq
      return Promise.resolve()
    },
    onSession: (session) =>
      session.handle('describe', () => Promise.resolve({ description: 'AAAA' })),
    fault: (error) => expect.fail(String(error)),
    random: () => 0,
    onDown: () => {},
    isPressing: async () => false,
    ...wishes,
  }
  return { options, stored }
}

/** In seconds, between the first tries of an agent whose hub is gone. */
const waits = async (isPressing: () => Promise<boolean>) => {
  const times: number[] = []
  const enough = Promise.withResolvers<void>()
  const { options } = agent(['ws://127.0.0.1:1'], {
    random: () => 0.999,
    // Nobody wants to wait for it here.
    clock: { ...clock, setTimeout: (run) => setTimeout(run, 0) },
    isPressing,
    fault: () => {},
    onDown: (_why, ms) => {
      times.push(Math.round(ms / 1000))
      if (times.length === 5) enough.resolve()
    },
  })
  open.push(connect(options))
  await enough.promise
  return times
}

describe('dialling', () => {
  it('gives a session over which the hub asks and is answered', async () => {
    const hub = await listen()
    const session = await dial(agent([hub.url]).options)
    const { result } = await (await hub.session(0)).request('describe', { record: '' })
    expect(result).toEqual({ description: 'AAAA' })
    expect(hub.paths).toEqual(['/link'])
    session.close('link-lost')
  })

  it('takes http addresses and paths too', async () => {
    const hub = await listen()
    await dial(agent([`${hub.url.replace('ws', 'http')}/ocm/`]).options)
    expect(hub.paths).toEqual(['/ocm/link'])
  })

  it('tries the next address when one does not answer', async () => {
    const hub = await listen()
    await dial(agent(['ws://127.0.0.1:1', hub.url]).options)
    expect(await hub.session(0)).toBeDefined()
  })

  it('says hub-unreachable when none answers', async () => {
    await expect(dial(agent(['ws://127.0.0.1:1']).options)).rejects.toMatchObject({
      code: 'hub-unreachable',
    })
  })

  it('says what one hub refused it for rather than that another does not answer', async () => {
    const hub = await listen({ accept: () => Promise.reject(new OcmError('node-revoked')) })
    await expect(dial(agent([hub.url, 'ws://127.0.0.1:1']).options)).rejects.toMatchObject({
      code: 'node-revoked',
    })
  })

  it('has nothing to do with a hub of another key', async () => {
    const hub = await listen({ identity: p.ed25519Pair() })
    await expect(dial(agent([hub.url]).options)).rejects.toMatchObject({ code: 'hub-key-changed' })
  })

  it('refuses an address that is not one', async () => {
    await expect(dial(agent(['ftp://x']).options)).rejects.toMatchObject({ code: 'malformed' })
  })
})

describe('staying connected', () => {
  it('comes back when the connection is cut, and shows the number it was given', async () => {
    const seen: number[] = []
    const hub = await listen({
      accept(_key, hello) {
        seen.push(hello.seq)
        return Promise.resolve({
          node,
          version: 1,
          seq: hello.seq + 1,
          heartbeatMs: 20_000,
          record: '',
        })
      },
    })
    const downs: string[] = []
    open.push(connect(agent([hub.url], { onDown: (why) => downs.push(why.code) }).options))
    await hub.session(0)
    hub.sockets[0]?.terminate()
    await hub.session(1)
    expect(seen).toEqual([0, 1])
    expect(downs).toEqual(['link-lost'])
  })

  it('is soon back while others wait for it, also when nobody can say whether they do', async () => {
    expect(await waits(async () => true)).toEqual([1, 2, 3, 3, 3])
    expect(await waits(() => Promise.reject(new Error('no journal')))).toEqual([1, 2, 4, 8, 16])
  })

  it('stays away for long when it was revoked', async () => {
    const hub = await listen({ accept: () => Promise.reject(new OcmError('node-revoked')) })
    const down = Promise.withResolvers<number>()
    open.push(connect(agent([hub.url], { onDown: (_why, ms) => down.resolve(ms) }).options))
    expect(await down.promise).toBeGreaterThanOrEqual(600_000)
  })

  it('ends its session when it is stopped', async () => {
    const hub = await listen()
    const stop = connect(agent([hub.url]).options)
    const session = await hub.session(0)
    await stop()
    expect((await session.closed).code).toBe('link-lost')
    expect(hub.sockets).toHaveLength(1)
  })

  it('stops while it shakes hands', async () => {
    const asked = Promise.withResolvers<void>()
    const hub = await listen({
      accept() {
        asked.resolve()
        return new Promise(() => {})
      },
    })
    const stop = connect(agent([hub.url]).options)
    await asked.promise
    await expect(stop()).resolves.toBeUndefined()
  })

  it('stops while it waits for the next try', async () => {
    const down = Promise.withResolvers<number>()
    const stop = connect(
      agent(['ws://127.0.0.1:1'], { random: () => 0.999, onDown: (_why, ms) => down.resolve(ms) })
        .options,
    )
    expect(await down.promise).toBe(999)
    await expect(stop()).resolves.toBeUndefined()
  })
})
