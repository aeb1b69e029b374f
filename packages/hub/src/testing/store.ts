/** A catalog and a directory of packs with nodes that need no link: what stores, prunes, collects and checks them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { type KeyPair, type SnapshotHeader, newId, signSnapshot } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { Catalog } from '../catalog/catalog.ts'
import { openCatalog } from '../catalog/open.ts'
import { openPostgres } from '../catalog/postgres/open.ts'
import { createCommit } from '../nodes/commit.ts'
import type { Packs } from '../nodes/ports.ts'
import { openPackDirectory } from '../packs/directory.ts'
import { type TestCatalog, testCatalog } from './catalog.ts'
import { bodyOf, emptyHeader, idOf, listed } from './agent.ts'

export const DAY = 86_400_000
export const HOUR = 3_600_000
export const VAULT = newId(p)

export class TestStore {
  readonly root: string
  readonly catalog: Catalog
  readonly packs: Packs
  readonly commit: ReturnType<typeof createCommit>
  /** Milliseconds since 1970; tests move it. */
  at = Date.UTC(2026, 0, 1)
  readonly now = () => this.at

  readonly #place: TestCatalog

  private constructor(root: string, place: TestCatalog, catalog: Catalog, packs: Packs) {
    this.root = root
    this.#place = place
    this.catalog = catalog
    this.packs = packs
    const record = { vault: VAULT, epoch: 1 }
    this.commit = createCommit({
      p,
      snapshots: catalog.snapshots,
      packs,
      vault: { needed: () => ({ record }) as never },
      publish: () => undefined,
      now: this.now,
    })
  }

  /** @param given a catalog in PostgreSQL that the test has made */
  static async open(given?: TestCatalog): Promise<TestStore> {
    const root = await mkdtemp(`${tmpdir()}/ocm-store-`)
    const packs = await openPackDirectory(`${root}/packs`)
    const place = given ?? (await testCatalog())
    const { catalogUrl: url } = place
    const catalog =
      url === undefined
        ? await openCatalog(`${root}/catalog.sqlite`)
        : await openPostgres({ url, data: root })
    return new TestStore(root, place, catalog, packs)
  }

  async close(): Promise<void> {
    await this.catalog.close()
    await this.#place.remove()
    await rm(this.root, { recursive: true, force: true })
  }

  pathOf(pack: Uint8Array): string {
    const id = idOf(pack)
    return `${this.root}/packs/${id.slice(0, 2)}/${id}`
  }

  async node(): Promise<TestNode> {
    const node = new TestNode(this)
    await this.catalog.nodes.addTicket({ ...ticket, id: node.id }, 0)
    await this.catalog.nodes.enrol(node.id, { ...row, id: node.id, key: node.key.public })
    return node
  }
}

export class TestNode {
  readonly store: TestStore
  readonly id = newId(p)
  readonly key: KeyPair = p.ed25519Pair()
  seq = 0
  prev: string | null = null

  constructor(store: TestStore) {
    this.store = store
  }

  async put(pack: Uint8Array): Promise<boolean> {
    const { packs, catalog, at } = this.store
    const id = idOf(pack)
    await packs.put(id, pack.length, bodyOf(pack))
    const added = { node: this.id, id, class: 'state' as const, bytes: pack.length, at }
    return catalog.snapshots.addPack(added, packs.size)
  }

  missing(...packs: readonly Uint8Array[]): Promise<string[]> {
    const { catalog, at } = this.store
    const wanted = packs.map((pack) => ({ id: idOf(pack) }))
    return catalog.snapshots.claimPacks(this.id, wanted, this.store.packs.size, at)
  }

  /** Commits a snapshot of these packs; they have to be put before. Answers its id, or what is missing. */
  async snapshot(
    packs: readonly Uint8Array[],
    change: Partial<SnapshotHeader['metrics']> = {},
  ): Promise<string | readonly string[]> {
    const empty = emptyHeader({ vault: VAULT, node: this.id })
    const header: SnapshotHeader = {
      ...empty,
      seq: this.seq + 1,
      prev: this.prev,
      packs: packs.map(listed),
      metrics: { ...empty.metrics, ...change },
    }
    const { snapshot, missing } = await this.store.commit(
      { id: this.id, key: this.key.public },
      signSnapshot(p, header, this.key),
    )
    if (snapshot === null) return missing
    this.seq++
    this.prev = snapshot
    return snapshot
  }

  /** Puts packs and commits them. */
  async backUp(
    packs: readonly Uint8Array[],
    change: Partial<SnapshotHeader['metrics']> = {},
  ): Promise<string> {
    for (const pack of packs) await this.put(pack)
    const id = await this.snapshot(packs, change)
    if (typeof id !== 'string') throw new Error(`missing: ${id.join(' ')}`)
    return id
  }
}

const row = {
  label: 'a node',
  state: 'active' as const,
  sequence: { stored: 0, pending: null },
  boot: '',
  ticket: new Uint8Array(),
  enrolment: new Uint8Array(),
  agentVersion: '0.1.0',
  enrolledAt: 0,
  lastSeenAt: null,
  movedTo: null,
}

const ticket = {
  key: new Uint8Array(32),
  label: 'a node',
  expiresAt: 1,
  statement: new Uint8Array(),
  usedAt: null,
  node: null,
}
