/**
 * A hub that is one object, for tests: it keeps what it is given and serves what stands in it, lies included. What a
 * real hub does is tested against a real hub.
 */
import {
  type HeaderState,
  type Job,
  type JobLog,
  type LastFence,
  type Me,
  type NodeState,
  OcmError,
  type Primitives,
  type SetupRequest,
  type SnapshotState,
  type VaultState,
  Slot,
  base64url,
  decodeAs,
  equal,
  fromBase64url,
  newId,
  readTicket,
  readVaultChange,
  readVaultRecord,
  vaultHash,
} from '@ocm/protocol'
import { ApiClient } from '../api/client.ts'
import { volatileMemory } from '../vault/memory.ts'
import type { Ports } from '../ports.ts'
import { type PaperSsh, answerSsh, paperSsh } from './ssh.ts'

export interface PaperHub {
  readonly ports: Ports
  readonly key: Uint8Array
  me: Me
  vault: VaultState
  /** Statements, the newest last. */
  tickets: string[]
  nodes: NodeState[]
  snapshots: SnapshotState[]
  headers: Map<string, HeaderState>
  packs: Map<string, Uint8Array>
  descriptions: Map<string, Uint8Array>
  jobs: Map<string, Job>
  logs: Map<string, JobLog>
  /** What it says of moves that were ordered before. */
  lastFence: LastFence
  readonly ssh: PaperSsh
  /** Every request, e.g. 'POST /api/jobs', with its body. */
  readonly asked: { readonly what: string; readonly body: unknown }[]
  /** Set up with what `prepareSetup` made. */
  accept(request: Omit<SetupRequest, 'secret'>): void
}

/** The same but for the passphrase, whose slow derivation would be most of a test's time. */
export const hasty = (p: Primitives): Primitives => ({
  ...p,
  argon2id: async (secret, salt) => p.hkdf(secret, salt, new Uint8Array(), 32),
})

export function paperHub(p: Primitives, now = 1_800_000_000_000): PaperHub {
  const key = p.ed25519Pair().public
  const hub: PaperHub = {
    key,
    me: { name: '', operator: '0'.repeat(32) },
    vault: { root: '', record: '', slots: [], epochs: [], hubKey: base64url(key) },
    tickets: [],
    nodes: [],
    snapshots: [],
    headers: new Map(),
    packs: new Map(),
    descriptions: new Map(),
    jobs: new Map(),
    logs: new Map(),
    lastFence: { order: null },
    ssh: paperSsh(p),
    asked: [],
    ports: {
      p,
      now: () => now,
      memory: volatileMemory(),
      api: new ApiClient({ url: 'http://paper.example', fetch: (...call) => serve(hub, ...call) }),
    },
    accept({ name, record, root, slots }) {
      hub.vault = { ...hub.vault, record, root, slots: [...slots] }
      hub.me = { name, operator: slots.find(({ operator }) => operator !== null)?.operator ?? '' }
    },
  }
  return hub
}

async function serve(hub: PaperHub, ...[url, init]: Parameters<typeof fetch>): Promise<Response> {
  const { pathname, searchParams } = new URL(String(url))
  const method = init?.method ?? 'GET'
  const body: unknown = init?.body === undefined ? undefined : JSON.parse(String(init.body))
  hub.asked.push({ what: `${method} ${pathname}`, body })
  const [, , thing = '', id = '', part = ''] = pathname.split('/')
  try {
    if (thing === 'packs' && id !== 'headers') {
      const range = new Headers(init?.headers).get('range') ?? ''
      const [first = 0, last = 0] = (range.match(/\d+/g) ?? []).map(Number)
      const pack = hub.packs.get(id)
      if (pack === undefined) throw new OcmError('pack-missing')
      const bytes = pack.slice(first, last + 1)
      return new Response(bytes, { status: 206 })
    }
    if (thing === 'ssh' || part === 'ssh') {
      return Response.json(answerSsh(hub, method, pathname.split('/').slice(2), body))
    }
    return Response.json(
      answer(hub, `${method} ${thing} ${part}`.trim(), { id, body, searchParams }),
    )
  } catch (error) {
    if (!(error instanceof OcmError)) throw error
    const { code, message, facts, next } = error
    return Response.json({ code, message, facts, next, requestId: 'r1' }, { status: 400 })
  }
}

interface Asked {
  readonly id: string
  readonly body: unknown
  readonly searchParams: URLSearchParams
}

function answer(hub: PaperHub, what: string, { id, body, searchParams }: Asked): unknown {
  switch (what) {
    case 'GET me':
      return hub.me
    case 'GET vault':
      return hub.vault
    case 'PUT vault':
      if (id === '') {
        hub.vault = changed(hub, fromBase64url((body as { change: string }).change))
        return {}
      }
      hub.vault = { ...hub.vault, record: (body as { record: string }).record }
      return {}
    case 'POST tickets': {
      const { statement } = body as { statement: string }
      hub.tickets.push(statement)
      const root = fromBase64url(hub.vault.root)
      const ticket = readTicket(hub.ports.p, root, fromBase64url(statement))
      return {
        id: ticket.id,
        label: ticket.label,
        expiresAt: ticket.expiresAt,
        state: 'open',
        node: null,
      }
    }
    case 'GET nodes':
      return hub.nodes
    case 'GET nodes last-fence':
      return hub.lastFence
    case 'POST nodes retire':
      return known(
        hub.nodes.find((one) => one.id === id),
        'node',
      )
    case 'POST nodes describe':
      return { description: base64url(known(hub.descriptions.get(id), 'node')) }
    case 'GET snapshots':
      if (id !== '')
        return known(
          hub.snapshots.find((one) => one.id === id),
          'snapshot',
        )
      return hub.snapshots.filter(({ node }) => node === (searchParams.get('node') ?? node))
    case 'GET snapshots header':
      return known(hub.headers.get(id), 'snapshot')
    case 'POST packs':
      return {
        headers: (body as { ids: string[] }).ids.map((one) =>
          base64url(known(hub.packs.get(one), 'pack').subarray(0, 8192)),
        ),
      }
    case 'POST jobs': {
      const { kind } = body as { kind: Job['kind'] }
      const job: Job = { ...DONE, kind, id: newId(hub.ports.p) }
      hub.jobs.set(job.id, job)
      return job
    }
    case 'GET jobs':
      return known(hub.jobs.get(id), 'job')
    case 'GET jobs log':
      return known(hub.logs.get(id), 'job')
    default:
      throw new OcmError('not-found', { what })
  }
}

/** As a hub does it, but for what it checks inside. */
function changed({ vault, ports: { p } }: PaperHub, signed: Uint8Array): VaultState {
  const root = fromBase64url(vault.root)
  const change = readVaultChange(p, root, signed)
  const slots = vault.slots.map(({ slot }) => fromBase64url(slot))
  if (!equal(change.over, vaultHash(p, fromBase64url(vault.record), slots))) {
    throw new OcmError('vault-record-stale')
  }
  const { epoch } = readVaultRecord(p, root, fromBase64url(vault.record), 0)
  return {
    ...vault,
    record: change.record === null ? vault.record : base64url(change.record),
    slots: change.slots.map((bytes) => {
      const slot = decodeAs(Slot, bytes, 'slot')
      const operator = slot.kind === 'recovery' ? null : slot.operator
      return { kind: slot.kind, operator, slot: base64url(bytes) }
    }),
    epochs:
      change.ended === null
        ? vault.epochs
        : [...vault.epochs, { epoch, statement: base64url(change.ended) }],
  }
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new OcmError('not-found', { what })
  return value
}

/** Jobs of this hub end as they begin. */
const DONE: Omit<Job, 'id' | 'kind'> = {
  state: 'done',
  node: '0'.repeat(32),
  source: null,
  snapshot: null,
  steps: [],
  error: null,
  createdAt: 0,
  startedAt: 0,
  endedAt: 0,
  createdBy: 'olivia',
  downtimeMs: null,
  inventoryEqual: null,
}
