/**
 * Where this node's chain of snapshots stands. `sending` is written before a commit is sent, so that after a crash in
 * between the hub's head tells whether it arrived.
 */
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import {
  Bytes,
  Hash,
  Id,
  type JobId,
  type NodeId,
  type PackId,
  type SnapshotId,
  Strict,
  decodeAs,
  fromHex,
  hex,
  toCbor,
} from '@ocm/protocol'
import { readDurable, writeDurable } from './durable.ts'

const Link = Strict({
  snapshot: Hash,
  seq: Type.Integer({ minimum: 1 }),
  /** The job that made it, null when the hub's head told of it. */
  job: Type.Union([Id, Type.Null()]),
  /** Ids of the packs it refers to. */
  packs: Type.Array(Bytes(32)),
})
type Link = Static<typeof Link>

const Stored = Strict({
  v: Type.Literal(1),
  node: Id,
  /** Newest first. */
  links: Type.Array(Link),
  sending: Type.Union([Link, Type.Null()]),
})
type Stored = Static<typeof Stored>

export interface ChainLink {
  readonly snapshot: SnapshotId
  readonly seq: number
  readonly job: JobId | null
  readonly packs: readonly PackId[]
}

/** As many as can be the base of a move that is being carried out. */
const KEPT_LINKS = 4

const toLink = (link: ChainLink): Link => ({
  snapshot: link.snapshot,
  seq: link.seq,
  job: link.job,
  packs: link.packs.map((id) => fromHex(id)),
})
const fromLink = (link: Link): ChainLink => ({ ...link, packs: link.packs.map((id) => hex(id)) })

export class Chain {
  readonly #path: string
  #stored: Stored

  private constructor(path: string, stored: Stored) {
    this.#path = path
    this.#stored = stored
  }

  /** A node that was enrolled anew begins a new chain. @throws OcmError 'malformed' */
  static async open(stateDir: string, node: NodeId): Promise<Chain> {
    const path = join(stateDir, 'chain')
    const bytes = await readDurable(path)
    const stored = bytes && decodeAs(Stored, bytes, 'chain file')
    const isOurs = stored !== undefined && stored.node === node
    return new Chain(path, isOurs ? stored : { v: 1, node, links: [], sending: null })
  }

  get newest(): ChainLink | undefined {
    const [link] = this.#stored.links
    return link && fromLink(link)
  }

  get sending(): ChainLink | undefined {
    return this.#stored.sending ? fromLink(this.#stored.sending) : undefined
  }

  /** The packs of one of the last snapshots. */
  packsOf(snapshot: SnapshotId): readonly PackId[] | undefined {
    const link = this.#stored.links.find((one) => one.snapshot === snapshot)
    return link && fromLink(link).packs
  }

  /** The snapshot that a job has already made. */
  madeBy(job: JobId): ChainLink | undefined {
    const link = this.#stored.links.find((one) => one.job === job)
    return link && fromLink(link)
  }

  /** To be on disk before the commit is sent. */
  async send(link: ChainLink): Promise<void> {
    await this.#write({ ...this.#stored, sending: toLink(link) })
  }

  /** The hub holds it. */
  async committed(link: ChainLink): Promise<void> {
    const links = [toLink(link), ...this.#stored.links].slice(0, KEPT_LINKS)
    await this.#write({ ...this.#stored, links, sending: null })
  }

  async #write(stored: Stored): Promise<void> {
    await writeDurable(this.#path, toCbor(stored))
    this.#stored = stored
  }
}
