/**
 * What nodes and jobs need of a catalog, a store and a link. Times in milliseconds by the hub's clock; keys and
 * statements as bytes, ids as text.
 */
import type {
  ErrorCode,
  Hello,
  PackClass,
  Sequence,
  SnapshotHeader,
  SnapshotState,
  Welcome,
} from '@ocm/protocol'

export type NodeStanding = 'active' | 'quarantined' | 'revoked'

export interface Node {
  readonly id: string
  readonly key: Uint8Array
  readonly label: string
  readonly state: NodeStanding
  /** See judgeSequence. */
  readonly sequence: Sequence
  readonly boot: string
  /** Both statements of its enrolment. */
  readonly ticket: Uint8Array
  readonly enrolment: Uint8Array
  readonly agentVersion: string
  readonly enrolledAt: number
  readonly lastSeenAt: number | null
  readonly movedTo: string | null
}

export interface StoredTicket {
  readonly id: string
  readonly key: Uint8Array
  readonly label: string
  readonly expiresAt: number
  readonly statement: Uint8Array
  readonly usedAt: number | null
  readonly node: string | null
}

export interface StoredSlot {
  readonly kind: 'passphrase' | 'recovery'
  readonly operator: string | null
  readonly bytes: Uint8Array
}

export interface VaultCatalog {
  /** Undefined before set-up. */
  root(): Promise<Uint8Array | undefined>
  newestRecord(): Promise<{ readonly serial: number; readonly bytes: Uint8Array } | undefined>
  /** False when there is a record with this serial already. */
  addRecord(record: { serial: number; bytes: Uint8Array; at: number }): Promise<boolean>
  slots(): Promise<StoredSlot[]>
}

/** How a node is known by the link: what changes at each handshake. */
export interface Sighting {
  readonly sequence: Sequence
  readonly boot: string
  readonly agentVersion: string
  readonly at: number
}

export interface NodeCatalog {
  nodes(): Promise<Node[]>
  node(id: string): Promise<Node | undefined>
  nodeByKey(key: Uint8Array): Promise<Node | undefined>
  /** Burns the ticket and adds the node in one transaction. False when the ticket was used meanwhile. */
  enrol(ticket: string, node: Node): Promise<boolean>
  saw(id: string, sighting: Sighting): Promise<void>
  setSequence(id: string, sequence: Sequence): Promise<void>
  lastSeen(id: string, at: number): Promise<void>
  setLabel(id: string, label: string): Promise<void>
  setState(id: string, state: NodeStanding): Promise<void>
  setMovedTo(id: string, target: string): Promise<void>

  tickets(): Promise<StoredTicket[]>
  ticket(id: string): Promise<StoredTicket | undefined>
  /** False when there is one with this id already. */
  addTicket(ticket: StoredTicket, at: number): Promise<boolean>
}

export interface SnapshotCatalog {
  /** Which of these packs this node has stored. */
  heldPacks(
    node: string,
    ids: readonly string[],
  ): Promise<Map<string, { bytes: number; class: string }>>
  addPack(pack: {
    node: string
    id: string
    class: PackClass
    bytes: number
    at: number
  }): Promise<void>
  /** Whether any node has stored it. */
  isPack(id: string): Promise<boolean>

  newest(node: string): Promise<{ id: string; seq: number; header: Uint8Array } | undefined>
  newestOfEach(): Promise<Map<string, { id: string; receivedAt: number; bytes: number }>>
  /** Snapshot and its packs in one transaction. @throws OcmError 'snapshot-refused' when another one came first. */
  addSnapshot(
    id: string,
    header: SnapshotHeader,
    statement: Uint8Array,
    receivedAt: number,
  ): Promise<void>
  /** Newest first, of one node or all. */
  snapshots(node?: string): Promise<SnapshotState[]>
  snapshot(id: string): Promise<(SnapshotState & { readonly header: Uint8Array }) | undefined>
  /** Whether one of these snapshots uses the pack; then its size. */
  packOf(snapshots: readonly string[], pack: string): Promise<{ bytes: number } | undefined>
}

/** Sealed bytes by the hash of what is stored, and beside them all that a recovery without a hub needs. */
export interface Packs {
  /**
   * Takes a pack in; answered when it is on the disk. One that is there already is read to its end and dropped.
   * @throws OcmError 'pack-mismatch' when length or hash differ, 'store-failed'
   */
  put(id: string, bytes: number, body: AsyncIterable<Uint8Array>): Promise<void>
  /** Bytes of it; undefined when it is not there. */
  size(id: string): Promise<number | undefined>
  /** @throws OcmError 'pack-missing' */
  get(id: string, offset: number, length: number): AsyncIterable<Uint8Array>
  keepVault(vault: {
    readonly record: Uint8Array
    readonly slots: readonly Uint8Array[]
  }): Promise<void>
  keepHeader(snapshot: string, statement: Uint8Array): Promise<void>
  /** @throws OcmError 'store-failed' when nothing can be written */
  probe(): Promise<void>
}

/** Judges who has proved to hold a key. Thrown errors go to the agent, sealed, before the link is closed. */
export type Accept = (agentKey: Uint8Array, hello: Hello) => Promise<Welcome>

/** Ends the conversation with a node, if there is one, and tells the agent why. */
export type CloseLink = (node: string, code: ErrorCode) => void
