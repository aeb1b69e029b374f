/** A real hub on a port of its own with a vault of which the test holds every key. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Writable } from 'node:stream'
import {
  base64url,
  createOperator,
  createVault,
  fromBase64url,
  issueTicket,
  makeStatement,
  type OpenedVault,
  signVaultRecord,
  type Slot,
  toCbor,
  type VaultRecord,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import pino from 'pino'
import { copyOutOfPostgres } from '../catalog/postgres/copies.ts'
import { buildHub, type Hub, type HubOptions } from '../app.ts'
import { type TestCatalog, testCatalog } from './catalog.ts'

export const NAME = 'ada'
export const PASSWORD = 'correct horse 1'

export interface Answer {
  readonly status: number
  // Tests look at what they expect; a wrong shape fails them.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
  readonly headers: Headers
}

export class TestHub {
  readonly data: string
  readonly vault = createVault(p)
  readonly operator: OpenedVault['operator'] = createOperator(p)
  /** Every line of the log, as written. */
  readonly logged: string[] = []
  record: VaultRecord | undefined
  cookie = ''
  hub: Hub
  readonly catalog: TestCatalog
  readonly #options: Partial<HubOptions>

  private constructor(
    data: string,
    hub: Hub,
    catalog: TestCatalog,
    options: Partial<HubOptions>,
    logged: string[],
  ) {
    this.data = data
    this.catalog = catalog
    this.hub = hub
    this.#options = options
    this.logged = logged
  }

  /** Not set up yet. */
  static async open(options: Partial<HubOptions> = {}): Promise<TestHub> {
    const data = await mkdtemp(`${tmpdir()}/ocm-hub-`)
    const logged: string[] = []
    const stream = new Writable({
      write(line, _encoding, done) {
        logged.push(String(line))
        done()
      },
    })
    const catalog = await testCatalog()
    const { catalogUrl } = catalog
    const all = { data, catalogUrl, log: pino({ level: 'debug' }, stream), ...options }
    return new TestHub(data, await buildHub(all), catalog, all, logged)
  }

  /** Set up, and logged in. */
  static async ready(options: Partial<HubOptions> = {}): Promise<TestHub> {
    const hub = await TestHub.open(options)
    const answer = await hub.setUp()
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return hub
  }

  get url(): string {
    return this.hub.url
  }

  get secret(): string {
    return this.hub.setupLink?.split('#')[1] ?? ''
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(this.cookie !== '' && { cookie: this.cookie }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const [cookie] = response.headers.getSetCookie()
    if (cookie !== undefined) this.cookie = cookie.split(';')[0] ?? ''
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return {
      status: response.status,
      body: isJson ? await response.json() : await response.text(),
      headers: response.headers,
    }
  }

  async setUp(change: Record<string, unknown> = {}): Promise<Answer> {
    const { hubKey } = (await this.call('GET', '/api/setup')).body
    const record = this.#recordWith({ hubs: [fromBase64url(hubKey)] })
    const answer = await this.call('POST', '/api/setup', {
      secret: this.secret,
      name: NAME,
      password: PASSWORD,
      record: base64url(signVaultRecord(p, this.vault, record)),
      root: base64url(this.vault.root.public),
      slots: this.slots(),
      ...change,
    })
    if (answer.status === 200) this.record = record
    return answer
  }

  /** The hub cannot open slots, so what is in them does not matter here. */
  slots(): unknown[] {
    const salt = p.random(16)
    const sealed = p.random(80)
    const operator = this.operator.id
    const both: Slot[] = [
      { kind: 'passphrase', operator, kdf: 'argon2id-64m-3-1', salt, sealed },
      { kind: 'recovery', kdf: 'hkdf', salt, sealed },
    ]
    return both.map((slot) => ({
      kind: slot.kind,
      operator: slot.kind === 'passphrase' ? operator : null,
      slot: base64url(toCbor(slot)),
    }))
  }

  async putRecord(change: Partial<VaultRecord>): Promise<Answer> {
    const record = this.#recordWith({ ...this.record, serial: this.#serial() + 1, ...change })
    const answer = await this.call('PUT', '/api/vault/record', {
      record: base64url(signVaultRecord(p, this.vault, record)),
    })
    if (answer.status === 200) this.record = record
    return answer
  }

  /** Lists nodes in a new vault record. */
  async confirm(...nodes: readonly { readonly id: string; readonly key: Uint8Array }[]) {
    const listed = this.record?.nodes ?? []
    const added = nodes.map(({ id, key }) => ({ id, key }))
    const answer = await this.putRecord({ nodes: [...listed, ...added] })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  }

  /** A ticket that the hub knows, with its secret. */
  async ticket(ttlMs = 600_000) {
    const now = this.#options.now ?? Date.now
    const made = issueTicket(p, this.vault, { label: 'a node', expiresAt: now() + ttlMs })
    const answer = await this.call('POST', '/api/tickets', { statement: base64url(made.statement) })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return made
  }

  /** All that is in it, wherever it is. */
  async catalogBytes(): Promise<Uint8Array> {
    const { catalogUrl } = this.catalog
    if (catalogUrl === undefined) return readFile(`${this.data}/catalog.sqlite`)
    const copy = `${this.data}/copy`
    await copyOutOfPostgres(catalogUrl, copy)
    const bytes = await readFile(copy)
    await rm(copy)
    return bytes
  }

  order(body: object): string {
    return base64url(makeStatement(p, 'order', body, this.operator.key))
  }

  async stop(): Promise<void> {
    await this.hub.close()
  }

  /** The same data, another process as far as it can tell. */
  async restart(): Promise<void> {
    this.hub = await buildHub({ ...this.#options, data: this.data })
  }

  async close(): Promise<void> {
    await this.hub.close()
    await this.catalog.remove()
    await rm(this.data, { recursive: true, force: true })
  }

  #serial = () => this.record?.serial ?? 0

  #recordWith(change: Partial<VaultRecord>): VaultRecord {
    return {
      v: 1,
      vault: this.vault.id,
      serial: 1,
      epoch: 1,
      sealing: this.vault.sealing.public,
      operators: [{ id: this.operator.id, key: this.operator.key.public }],
      hubs: [],
      nodes: [],
      revoked: [],
      at: 0,
      ...change,
    }
  }
}
