/**
 * How packs travel best: in the link, over a second socket of their own, or by HTTP PUT; and what a request on the
 * link waits meanwhile. On loopback as it is, and through a bottleneck of 100 Mbit/s.
 *
 * Options: --mb N (bytes for each measurement, default 256 unshaped and 48 shaped), --json.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  type AgentSession,
  type Clock,
  agentLink,
  fromHex,
  hex,
  hubLink,
  overWebSocket,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { WebSocket, WebSocketServer } from 'ws'

const PACK = 16 * 2 ** 20
const MEGABYTE = 1e6
/** Bytes a second of the bottleneck: 100 Mbit/s. */
const NARROW = 12.5e6
const PING_EVERY_MS = 10
const node = '0'.repeat(32)
const clock: Clock = { now: () => performance.now(), setTimeout, clearTimeout }
const fault = (error: unknown) => {
  throw error
}

const WAYS = ['in the link', 'in the link, 2 at a time', 'second socket', 'HTTP PUT'] as const
type Way = (typeof WAYS)[number]

interface Figures {
  readonly way: Way
  readonly shaped: boolean
  readonly megabytesPerSecond: number
  readonly requestMs: { readonly p50: number; readonly p95: number; readonly most: number }
  readonly idleRequestMs: number
  /** Milliseconds of processor for a megabyte, of each side: what a busy machine changes least. */
  readonly processor: { readonly agent: number; readonly hub: number }
}

/** Milliseconds of processor that this process has used. */
function spent(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

async function spentBy(child: ChildProcess): Promise<number> {
  child.send('spent')
  const [ms] = (await once(child, 'message')) as [number]
  return ms
}

/** A hub that throws away what it gets. Tells its port and key. */
async function runHub(): Promise<void> {
  const identity = p.ed25519Pair()
  const server = http.createServer(async (request, response) => {
    for await (const _ of request) void _
    response.end()
  })
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 65_536 })
  sockets.on('connection', (socket) => {
    overWebSocket(socket, (carrier) =>
      hubLink(p, {
        carrier,
        clock,
        kind: 'websocket',
        identity,
        fault,
        accept: () =>
          Promise.resolve({ node, version: 1, seq: 1, heartbeatMs: 20_000, record: '' }),
        onSession(session) {
          session.handle('snapshot.head', () => Promise.resolve({ header: '' }))
          session.handle('pack.put', async (_params, body) => {
            for await (const _ of body) void _
            return {}
          })
        },
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  process.on('message', () => process.send?.(spent()))
  process.on('disconnect', () => process.exit())
  process.send?.({ port, key: hex(identity.public) })
}

/** A bottleneck: one bucket of tokens for all connections, which take turns of 16 KiB. */
async function runProxy(to: number): Promise<void> {
  const TURN = 16 * 1024
  const ENOUGH = 128 * 1024
  interface Flow {
    readonly from: net.Socket
    readonly into: net.Socket
    queue: Buffer[]
    bytes: number
  }
  const flows: Flow[] = []
  let tokens = 0
  let last = performance.now()
  const turn = (flow: Flow) => {
    const [first] = flow.queue
    if (!first) return 0
    const piece = first.subarray(0, TURN)
    if (piece.length === first.length) flow.queue.shift()
    else flow.queue[0] = first.subarray(TURN)
    flow.bytes -= piece.length
    flow.into.write(piece)
    if (flow.bytes < ENOUGH / 2) flow.from.resume()
    return piece.length
  }
  setInterval(() => {
    const now = performance.now()
    tokens = Math.min(NARROW * 0.01, tokens + ((now - last) / 1000) * NARROW)
    last = now
    for (let sent = 1; sent > 0 && tokens > 0;) {
      sent = 0
      for (const flow of flows) {
        if (tokens <= 0) break
        const bytes = turn(flow)
        sent += bytes
        tokens -= bytes
      }
    }
  }, 1)
  const server = net.createServer((agent) => {
    const hub = net.connect({ port: to, host: '127.0.0.1', noDelay: true })
    agent.setNoDelay(true)
    for (const [from, into] of [
      [agent, hub],
      [hub, agent],
    ] as const) {
      const flow: Flow = { from, into, queue: [], bytes: 0 }
      flows.push(flow)
      from.on('data', (bytes: Buffer) => {
        flow.queue.push(bytes)
        flow.bytes += bytes.length
        if (flow.bytes > ENOUGH) from.pause()
      })
      from.on('error', () => into.destroy())
      from.on('close', () => {
        into.destroy()
        flows.splice(flows.indexOf(flow), 1)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.on('disconnect', () => process.exit())
  process.send?.({ port: (server.address() as AddressInfo).port })
}

async function connect(port: number, key: string): Promise<AgentSession> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/link`, {
    perMessageDeflate: false,
    generateMask: () => {},
  })
  await once(socket, 'open')
  return overWebSocket(socket, (carrier) =>
    agentLink(p, {
      carrier,
      clock,
      kind: 'websocket',
      identity: p.ed25519Pair(),
      pinnedHub: fromHex(key),
      minVersion: 1,
      hello: {
        min: 1,
        max: 1,
        capabilities: [],
        agentVersion: 'bench',
        boot: node,
        seq: 0,
        enrol: null,
      },
      onWelcome: () => Promise.resolve(),
      onSession: () => {},
      fault,
    }),
  ).session
}

const segment = p.random(2 ** 20)
async function* pack(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < PACK; sent += segment.length) yield segment
}

async function putInLink(session: AgentSession): Promise<void> {
  const params = { id: '0'.repeat(64), bytes: PACK, class: 'bulk' } as const
  await session.request('pack.put', params, { body: pack() })
}

async function putByHttp(port: number): Promise<void> {
  const request = http.request({ port, host: '127.0.0.1', method: 'PUT', path: '/' })
  for await (const piece of pack()) {
    if (!request.write(piece)) await once(request, 'drain')
  }
  request.end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
}

/** Asks every ten milliseconds until stopped; answers how long each took, sorted. */
function pings(session: AgentSession): () => Promise<readonly number[]> {
  const took: number[] = []
  const stopping = new AbortController()
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      const begun = performance.now()
      await session.request('snapshot.head', {})
      took.push(performance.now() - begun)
      await new Promise((resolve) => setTimeout(resolve, PING_EVERY_MS))
    }
  })()
  return async () => {
    stopping.abort()
    await loop
    return took.toSorted((a, b) => a - b)
  }
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

interface Ground {
  readonly hub: ChildProcess
  readonly port: number
  readonly key: string
  readonly shaped: boolean
  readonly packs: number
}

async function measure(way: Way, { hub, port, key, shaped, packs }: Ground): Promise<Figures> {
  const control = await connect(port, key)
  const bulk = way === 'second socket' ? await connect(port, key) : control
  const put = () => (way === 'HTTP PUT' ? putByHttp(port) : putInLink(bulk))
  const idle = pings(control)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const idleMs = at(await idle(), 0.5)

  const lanes = way === 'in the link, 2 at a time' ? 2 : 1
  const stop = pings(control)
  const before = { agent: spent(), hub: await spentBy(hub) }
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let n = 0; n < packs / lanes; n++) await put()
    }),
  )
  const seconds = (performance.now() - begun) / 1000
  const after = { agent: spent(), hub: await spentBy(hub) }
  const took = await stop()
  const megabytes = (packs * PACK) / MEGABYTE
  for (const session of new Set([control, bulk])) session.close('link-lost')
  return {
    way,
    shaped,
    megabytesPerSecond: megabytes / seconds,
    requestMs: { p50: at(took, 0.5), p95: at(took, 0.95), most: at(took, 1) },
    idleRequestMs: idleMs,
    processor: {
      agent: (after.agent - before.agent) / megabytes,
      hub: (after.hub - before.hub) / megabytes,
    },
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { mb: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const here = fileURLToPath(import.meta.url)
  const hub = fork(here, ['hub'])
  const [{ port, key }] = (await once(hub, 'message')) as [{ port: number; key: string }]
  const proxy = fork(here, ['proxy', String(port)])
  const [{ port: narrow }] = (await once(proxy, 'message')) as [{ port: number }]

  const all: Figures[] = []
  for (const shaped of [false, true]) {
    const bytes = Number(values.mb ?? (shaped ? 48 : 256)) * 2 ** 20
    const packs = 2 * Math.ceil(bytes / PACK / 2)
    console.log(`\n${shaped ? '100 Mbit/s' : 'loopback'}, ${packs} packs of 16 MiB`)
    for (const way of WAYS) {
      const figures = await measure(way, {
        hub,
        port: shaped ? narrow : port,
        key,
        shaped,
        packs,
      })
      all.push(figures)
      const { p50, p95, most } = figures.requestMs
      const { processor } = figures
      console.log(
        `  ${way.padEnd(26)} ${figures.megabytesPerSecond.toFixed(1).padStart(7)} MB/s` +
          `   request p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)}, most ${most.toFixed(1)}` +
          ` (idle ${figures.idleRequestMs.toFixed(1)})` +
          `   processor ${processor.agent.toFixed(1)} + ${processor.hub.toFixed(1)} ms/MB`,
      )
    }
  }
  for (const child of [proxy, hub]) child.kill()
  if (values.json) console.log(JSON.stringify({ bench: 'link', figures: all }))
}

const [role, port] = process.argv.slice(2)
if (role === 'hub') await runHub()
else if (role === 'proxy') await runProxy(Number(port))
else await main()
