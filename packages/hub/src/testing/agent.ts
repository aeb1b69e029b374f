/** An agent of which the test writes the part: a real link over a real socket, and handlers that are handed in. */
import {
  NO_METRICS,
  OcmError,
  agentLink,
  type AgentSession,
  base64url,
  type Hello,
  type KeyPair,
  makeEnrolment,
  newId,
  overWebSocket,
  signSnapshot,
  type SnapshotHeader,
  snapshotIdOf,
  type Welcome,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { WebSocket } from 'ws'
import type { TestHub } from './hub.ts'

/** Made so far. */
let machines = 0

type Part = (session: AgentSession, agent: TestAgent) => void

export class TestAgent {
  readonly key: KeyPair
  readonly hub: TestHub
  id = ''
  seq = 0
  boot = newId(p)
  session: AgentSession | undefined
  welcome: Welcome | undefined
  #socket: WebSocket | undefined
  readonly #part: Part
  /** Of a machine of its own, to a hub that trusts this one as a proxy. */
  readonly #address = `198.51.100.${1 + (machines++ % 254)}`

  constructor(hub: TestHub, part: Part = () => {}, key: KeyPair = p.ed25519Pair()) {
    this.hub = hub
    this.key = key
    this.#part = part
  }

  /** A node of the hub that is connected. */
  static async enrolled(hub: TestHub, part?: Part): Promise<TestAgent> {
    const agent = new TestAgent(hub, part)
    const ticket = await hub.ticket()
    await agent.join(ticket.ticket.id, ticket.secret)
    return agent
  }

  join(ticket: string, secret: Uint8Array, said: { node?: Uint8Array } = {}): Promise<void> {
    const { hubKey, root } = this.#pins()
    const join = { v: 1 as const, urls: ['-'], hub: hubKey, root, ticket, secret }
    const { statement } = makeEnrolment(p, join, said.node ?? this.key.public)
    return this.dial({ enrol: { ticket, enrolment: base64url(statement) } })
  }

  /** @throws OcmError what the hub refused it for */
  async dial(change: Partial<Hello> = {}): Promise<void> {
    const hello: Hello = {
      min: 1,
      max: 1,
      capabilities: [],
      agentVersion: '0.1.0',
      boot: this.boot,
      seq: this.seq,
      enrol: null,
      ...change,
    }
    const socket = new WebSocket(`${this.hub.url.replace('http', 'ws')}/link`, {
      headers: { 'x-forwarded-for': this.#address },
    })
    this.#socket = socket
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const end = overWebSocket(socket, (carrier) =>
      agentLink(p, {
        carrier,
        clock: {
          now: () => performance.now(),
          setTimeout,
          clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
        },
        fault: (error) => {
          throw error
        },
        kind: 'websocket',
        identity: this.key,
        pinnedHub: this.#pins().hubKey,
        minVersion: 1,
        hello,
        onWelcome: async (welcome) => {
          this.welcome = welcome
          this.id = welcome.node
          this.seq = welcome.seq
        },
        onSession: (session) => this.#part(session, this),
      }),
    )
    this.session = await end.session
  }

  /** As a cable that is pulled. */
  cut(): void {
    this.#socket?.terminate()
  }

  async put(bytes: Uint8Array): Promise<string> {
    const id = idOf(bytes)
    await this.#live().request(
      'pack.put',
      { id, bytes: bytes.length, class: 'state' },
      { body: bodyOf(bytes) },
    )
    return id
  }

  /** The next snapshot of this node, made of these packs, which are stored first. */
  async capture(job: string, packs: readonly Uint8Array[], change: Partial<SnapshotHeader> = {}) {
    for (const pack of packs) await this.put(pack)
    const { header: newest } = (await this.#live().request('snapshot.head', {})).result
    const before = Buffer.from(newest, 'base64url')
    const seq = newest === '' ? 1 : this.#lastSeq + 1
    const prev = newest === '' ? null : snapshotIdOf(p, before)
    const statement = this.header({ seq, prev, packs: packs.map(listed), ...change })
    return this.commit(job, statement)
  }

  async commit(job: string, statement: Uint8Array): Promise<string> {
    const { result } = await this.#live().request('snapshot.commit', {
      job,
      header: base64url(statement),
    })
    if (result.snapshot === null) {
      throw new OcmError('pack-missing', { count: result.missing.length })
    }
    return result.snapshot
  }

  header(change: Partial<SnapshotHeader>): Uint8Array {
    this.#lastSeq = change.seq ?? 1
    const empty = emptyHeader({ vault: this.hub.vault.id, node: this.id })
    return signSnapshot(p, { ...empty, ...change }, this.key)
  }
  #lastSeq = 0

  #live(): AgentSession {
    if (!this.session) throw new Error('not connected')
    return this.session
  }

  #pins() {
    const hubKey = this.hub.record?.hubs[0]
    if (!hubKey) throw new Error('the hub is not set up')
    return { hubKey, root: this.hub.vault.root.public }
  }
}

export const idOf = (bytes: Uint8Array): string => Buffer.from(p.sha256(bytes)).toString('hex')

export const listed = (bytes: Uint8Array) => ({
  id: idOf(bytes),
  bytes: bytes.length,
  class: 'state' as const,
  liveBytes: bytes.length,
})

export async function* bodyOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}

export const emptyHeader = (of: {
  readonly vault: string
  readonly node: string
}): SnapshotHeader => ({
  v: 1,
  vault: of.vault,
  epoch: 1,
  node: of.node,
  seq: 1,
  prev: null,
  run: newId(p),
  trigger: 'manual',
  startedAt: 1,
  finishedAt: 2,
  packs: [],
  root: new Uint8Array(),
  metrics: { ...NO_METRICS, files: 1 },
  versions: { agent: '0.1.0', openclaw: '2026.9.6', schemas: {} },
})
