/** The hub's HTTP API, typed. An answer that is not of the shape it should have is 'malformed', never passed on. */
import {
  ApiError,
  AuditEntry,
  base64url,
  DescribeAnswer,
  HeaderState,
  InstallState,
  Job,
  JobLog,
  LastFence,
  type JobRequest,
  type LiveEvent,
  MaybeRelease,
  Me,
  NodeState,
  OcmError,
  PackDamage,
  PackHeaders,
  PrunePreview,
  PruneResult,
  ReleaseState,
  RetentionState,
  ScrubState,
  type SetLock,
  SettleAnswer,
  ForgetAnswer,
  type SetPolicy,
  type Schedule,
  type SetupRequest,
  SetupState,
  SnapshotState,
  SshLease,
  SshLeaseIssued,
  type SshLeaseRequest,
  SshNode,
  type SshNodePut,
  TicketState,
  TokenIssued,
  VaultState,
  check,
  fromWireError,
} from '@ocm/protocol'
import { plainFacts } from './facts.ts'
import { type Socket, listen } from './live.ts'
import { type Static, type TSchema, TokenList, listOf } from './shapes.ts'

export interface ApiOptions {
  /** The hub's address, e.g. `http://127.0.0.1:8001`, or `location.origin`. */
  readonly url: string
  readonly fetch: typeof fetch
  /** For what is large, where there is something faster than `fetch`. */
  readonly fetchBytes?: FetchBytes
  /** An API token. Without one the session cookie counts: the browser's, or the one this client received itself. */
  readonly token?: string
  /** SHA-256 of the only certificate that is taken from the hub, base64url; join strings pass it on. */
  readonly certificate?: string
  /** Opens a socket for live events; `headers` are for sockets that can send them. */
  readonly openSocket?: (url: string, headers: Readonly<Record<string, string>>) => Socket
}

/**
 * Reads an answer to the end, into what there is room for.
 * @param into filled from its beginning when the status is 200 or 206
 * @returns the status, how many bytes came, and of any other answer what it says
 */
export type FetchBytes = (
  url: string,
  headers: Readonly<Record<string, string>>,
  into: Uint8Array,
) => Promise<{ readonly status: number; readonly received: number; readonly error: Uint8Array }>

export interface Live {
  readonly onEvent: (event: LiveEvent) => void
  /** On every connection: fetch what may have changed. */
  readonly onConnect?: () => void
  readonly onLost?: () => void
}

interface Call {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Every method throws OcmError: the hub's own, 'hub-unreachable', or 'malformed' for an answer of another shape. */
export class ApiClient {
  readonly url: string
  readonly #options: ApiOptions
  /** Outside a browser nobody keeps cookies. */
  #cookie = ''

  constructor(options: ApiOptions) {
    this.#options = options
    this.url = options.url.replace(/\/+$/, '')
  }

  /** The certificate that nodes shall pin: the one that is pinned here, or the one that the hub says is its own. */
  async certificate(): Promise<string | undefined> {
    return this.#options.certificate ?? (await this.setupState()).certificate
  }

  setupState = () => this.#get(SetupState, '/api/setup')
  setup = (request: SetupRequest) => this.#send(Me, 'POST', '/api/setup', request)
  login = (name: string, password: string) =>
    this.#send(Me, 'POST', '/api/login', { name, password })
  logout = () => this.#done('POST', '/api/logout', {})
  me = () => this.#get(Me, '/api/me')

  tokens = () => this.#get(TokenList, '/api/tokens')
  makeToken = (label: string) => this.#send(TokenIssued, 'POST', '/api/tokens', { label })
  dropToken = (id: string) => this.#done('DELETE', `/api/tokens/${id}`)

  vault = () => this.#get(VaultState, '/api/vault')
  /** @param change a signed VaultChange, base64url. */
  changeVault = (change: string) => this.#done('PUT', '/api/vault', { change })
  putRecord = (record: string) => this.#done('PUT', '/api/vault/record', { record })

  tickets = () => this.#get(listOf(TicketState), '/api/tickets')
  postTicket = (statement: string) => this.#send(TicketState, 'POST', '/api/tickets', { statement })

  nodes = () => this.#get(listOf(NodeState), '/api/nodes')
  node = (id: string) => this.#get(NodeState, `/api/nodes/${id}`)
  renameNode = (id: string, label: string) =>
    this.#send(NodeState, 'PATCH', `/api/nodes/${id}`, { label })
  readmitNode = (id: string) => this.#send(NodeState, 'POST', `/api/nodes/${id}/readmit`, {})
  retireNode = (id: string) => this.#send(NodeState, 'POST', `/api/nodes/${id}/retire`, {})
  /** Null: only when somebody asks for a backup. */
  setSchedule = (id: string, schedule: Schedule | null) =>
    this.#send(NodeState, 'PUT', `/api/nodes/${id}/schedule`, { schedule })
  /** @param wish sealed to the job key of the description before */
  describeNode = (id: string, wish?: string) =>
    this.#send(
      DescribeAnswer,
      'POST',
      `/api/nodes/${id}/describe`,
      wish === undefined ? {} : { wish },
    )

  lastFence = (node: string) => this.#get(LastFence, `/api/nodes/${node}/last-fence`)

  /** Asks for a borrower process at the hub, to whose key a credential is sealed. */
  askLease = (request: SshLeaseRequest) =>
    this.#send(SshLeaseIssued, 'POST', '/api/ssh/leases', request)
  /** @param sealed see sealLent. */
  lendTo = (lease: string, sealed: string) =>
    this.#send(SshLease, 'POST', `/api/ssh/leases/${lease}/lend`, { sealed })
  /** Those that last and those that ended in the last hour, newest first. */
  leases = () => this.#get(listOf(SshLease), '/api/ssh/leases')
  endLease = (lease: string) => this.#send(SshLease, 'DELETE', `/api/ssh/leases/${lease}`)
  sshOf = (node: string) => this.#get(SshNode, `/api/nodes/${node}/ssh`)
  putSsh = (node: string, put: SshNodePut) =>
    this.#send(SshNode, 'PUT', `/api/nodes/${node}/ssh`, put)
  /** @param urls where the node reaches the hub. */
  settleNode = (node: string, urls: readonly string[]) =>
    this.#send(SettleAnswer, 'POST', `/api/nodes/${node}/settle`, { urls })
  forgetNode = (node: string) => this.#send(ForgetAnswer, 'POST', `/api/nodes/${node}/forget`, {})
  dropSsh = (node: string) => this.#done('DELETE', `/api/nodes/${node}/ssh`)

  /** Newest first; of one node, or of all. Pruned ones only when they are asked for. */
  snapshots = (node?: string, { pruned = false }: { readonly pruned?: boolean } = {}) => {
    const query = new URLSearchParams({
      ...(node === undefined ? {} : { node }),
      ...(pruned ? { pruned: 'true' } : {}),
    })
    return this.#get(listOf(SnapshotState), `/api/snapshots${query.size === 0 ? '' : `?${query}`}`)
  }
  snapshot = (id: string) => this.#get(SnapshotState, `/api/snapshots/${id}`)
  snapshotHeader = (id: string) => this.#get(HeaderState, `/api/snapshots/${id}/header`)
  /** An operator has read all of it with the keys and found it whole. */
  snapshotVerified = (id: string) => this.#done('POST', `/api/snapshots/${id}/verified`, {})
  snapshotDamage = (id: string) => this.#get(listOf(PackDamage), `/api/snapshots/${id}/damage`)
  pin = (id: string) => this.#send(SnapshotState, 'POST', `/api/snapshots/${id}/pin`, {})
  unpin = (id: string) => this.#send(SnapshotState, 'POST', `/api/snapshots/${id}/unpin`, {})
  undoPrune = (id: string) => this.#send(SnapshotState, 'POST', `/api/snapshots/${id}/undo`, {})

  retention = () => this.#get(RetentionState, '/api/retention')
  setPolicy = (policy: SetPolicy) =>
    this.#send(RetentionState, 'PUT', '/api/retention/policy', policy)
  setLock = (lock: SetLock) => this.#send(RetentionState, 'PUT', '/api/retention/lock', lock)
  resumeRetention = () => this.#send(RetentionState, 'POST', '/api/retention/resume', {})
  prunePreview = (node?: string) =>
    this.#get(PrunePreview, `/api/prune${node === undefined ? '' : `?node=${node}`}`)
  prune = (snapshots: readonly string[]) =>
    this.#send(PruneResult, 'POST', '/api/prune', { snapshots })
  scrub = () => this.#get(ScrubState, '/api/scrub')
  startScrub = () => this.#send(ScrubState, 'POST', '/api/scrub', {})

  packHeaders = (ids: readonly string[]) =>
    this.#send(PackHeaders, 'POST', '/api/packs/headers', { ids })

  /** `length` bytes of a pack from `offset`. */
  async packBytes(id: string, offset: number, length: number): Promise<Uint8Array> {
    const range = `bytes=${offset}-${offset + length - 1}`
    const response = await this.#call('GET', `/api/packs/${id}`, { headers: { range } })
    const bytes = new Uint8Array(await reached(() => response.arrayBuffer()))
    // A hub that does not honour ranges sends the whole pack.
    const part = response.status === 206 ? bytes : bytes.subarray(offset, offset + length)
    if (part.length !== length) throw new OcmError('malformed', { what: 'pack' })
    return part
  }

  /** A whole pack, at the beginning of `into` or, where nothing is faster than `fetch`, in memory of its own. */
  async wholePack(id: string, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { fetchBytes } = this.#options
    if (fetchBytes === undefined) {
      const bytes = await this.packBytes(id, 0, into.length)
      return bytes as Uint8Array<ArrayBuffer>
    }
    const url = `${this.url}/api/packs/${id}`
    const { status, received, error } = await reached(() => fetchBytes(url, this.#identity(), into))
    if (status !== 200) throw await errorOf(new Response(new Uint8Array(error), { status }))
    if (received !== into.length) throw new OcmError('malformed', { what: 'pack' })
    return into
  }

  installState = () => this.#get(InstallState, '/api/install')
  agentRelease = () => this.#get(MaybeRelease, '/api/agent-release')
  /** @param file the bytes of a release's file. */
  offerRelease = (file: Uint8Array) =>
    this.#send(ReleaseState, 'PUT', '/api/agent-release', { release: base64url(file) })
  withdrawRelease = () => this.#done('DELETE', '/api/agent-release')

  /** Newest first; those of one node, or all. */
  jobs = (node?: string) =>
    this.#get(listOf(Job), `/api/jobs${node === undefined ? '' : `?node=${node}`}`)
  job = (id: string) => this.#get(Job, `/api/jobs/${id}`)
  startJob = (request: JobRequest) => this.#send(Job, 'POST', '/api/jobs', request)
  cancelJob = (id: string) => this.#send(Job, 'POST', `/api/jobs/${id}/cancel`, {})
  jobLog = (id: string) => this.#get(JobLog, `/api/jobs/${id}/log`)
  audit = () => this.#get(listOf(AuditEntry), '/api/audit')

  /** @returns what ends it; a client without `openSocket` never calls back. */
  live(hooks: Live): () => void {
    const { openSocket } = this.#options
    if (openSocket === undefined) return () => undefined
    return listen({
      open: (url) => openSocket(url, this.#identity()),
      url: `${this.url.replace(/^http/, 'ws')}/api/live`,
      onConnect: hooks.onConnect ?? (() => undefined),
      onEvent: hooks.onEvent,
      onLost: hooks.onLost ?? (() => undefined),
    })
  }

  async #get<T extends TSchema>(shape: T, path: string): Promise<Static<T>> {
    return this.#send(shape, 'GET', path)
  }

  async #send<T extends TSchema>(
    shape: T,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Static<T>> {
    const response = await this.#call(method, path, body === undefined ? {} : { body })
    return check(shape, await readJson(response), 'answer of the hub')
  }

  async #done(method: string, path: string, body?: unknown): Promise<void> {
    const response = await this.#call(method, path, body === undefined ? {} : { body })
    await reached(() => response.arrayBuffer())
  }

  #identity(): Record<string, string> {
    const { token } = this.#options
    if (token !== undefined) return { authorization: `Bearer ${token}` }
    return this.#cookie === '' ? {} : { cookie: this.#cookie, origin: new URL(this.url).origin }
  }

  async #call(method: string, path: string, { body, headers = {} }: Call): Promise<Response> {
    // Called without an owner: a browser's own fetch refuses to be a method of something else.
    const { fetch } = this.#options
    const response = await reached(() =>
      fetch(`${this.url}${path}`, {
        method,
        headers: {
          ...headers,
          ...this.#identity(),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        credentials: 'same-origin',
        redirect: 'error',
        signal: AbortSignal.timeout(PATIENCE_MS),
      }),
    )
    // Always empty in a browser, which keeps cookies itself.
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      this.#cookie = pair
    }
    if (!response.ok) throw await errorOf(response)
    return response
  }
}

/** Longer than the hub waits for the slowest node to describe itself. */
const PATIENCE_MS = 180_000

/** @throws OcmError 'hub-unreachable', also when the connection is lost in the middle of an answer */
async function reached<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    // What a pinned connection found out, as it is or inside what `fetch` made of it.
    if (cause instanceof OcmError) throw cause
    throw new OcmError('hub-unreachable', {}, { cause })
  }
}

async function readJson(response: Response): Promise<unknown> {
  const text = await reached(() => response.text())
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new OcmError('malformed', { what: 'answer of the hub' }, { cause })
  }
}

async function errorOf(response: Response): Promise<OcmError> {
  const text = await reached(() => response.text())
  try {
    const { code, facts, requestId } = check(ApiError, JSON.parse(text), 'answer of the hub')
    return fromWireError({ code, facts: { ...plainFacts(facts), requestId } })
  } catch (cause) {
    return new OcmError('internal', { status: response.status }, { cause })
  }
}
