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
  readonly kind: 'passphrase' | 'recovery' | 'handover'
  readonly operator: string | null
  readonly bytes: Uint8Array
}

/** The statement of an epoch that ended. */
export interface StoredEpoch {
  readonly epoch: number
  readonly bytes: Uint8Array
}

export interface StoredChange {
  /** In place of all slots there are. */
  readonly slots: readonly StoredSlot[]
  readonly record?: { readonly serial: number; readonly bytes: Uint8Array }
  /** Who keeps an account. */
  readonly operators?: readonly string[]
  readonly ended?: StoredEpoch
  readonly at: number
}

export interface VaultCatalog {
  /** Undefined before set-up. */
  root(): Promise<Uint8Array | undefined>
  newestRecord(): Promise<{ readonly serial: number; readonly bytes: Uint8Array } | undefined>
  /** False when there is a record with this serial already. */
  addRecord(record: { serial: number; bytes: Uint8Array; at: number }): Promise<boolean>
  slots(): Promise<StoredSlot[]>
  /** The oldest first. */
  epochs(): Promise<StoredEpoch[]>
  /** All of it or nothing; false when there is a record with this serial already. */
  change(next: StoredChange): Promise<boolean>
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
  setMovedTo(id: string, target: string | null): Promise<void>

  tickets(): Promise<StoredTicket[]>
  ticket(id: string): Promise<StoredTicket | undefined>
  /** False when there is one with this id already. */
  addTicket(ticket: StoredTicket, at: number): Promise<boolean>
}

/** What somebody says to have stored; with size and class when he says those too. */
export interface WantedPack {
  readonly id: string
  readonly bytes?: number
  readonly class?: string
}

/** Bytes of a pack's file; undefined when it is not there. */
export type PackSize = (id: string) => Promise<number | undefined>

export interface SnapshotCatalog {
  /**
   * Answers those that this node has not stored, or that are damaged or not on the disk any more; all others are kept
   * from the collector in the same transaction.
   */
  claimPacks(
    node: string,
    wanted: readonly WantedPack[],
    size: PackSize,
    at: number,
  ): Promise<string[]>
  /**
   * A pack whose file was just written. One that was damaged is whole again.
   * False when its file is not there, or is being deleted at this moment: then it was put for nothing.
   */
  addPack(
    pack: {
      readonly node: string
      readonly id: string
      readonly class: PackClass
      readonly bytes: number
      readonly at: number
    },
    size: PackSize,
  ): Promise<boolean>
  /** Whether any node has stored it. */
  isPack(id: string): Promise<boolean>

  newest(node: string): Promise<{ id: string; seq: number; header: Uint8Array } | undefined>
  newestOfEach(): Promise<Map<string, { id: string; receivedAt: number; bytes: number }>>
  /** A header is about to be written into the store; at the next start it is removed unless its snapshot is there. */
  expectHeader(snapshot: string): Promise<void>
  /** It was removed. */
  forgetHeader(snapshot: string): Promise<void>
  /** Those expected that have no snapshot. */
  looseHeaders(): Promise<string[]>
  /**
   * The commit: one transaction that checks that the header follows the newest, that every pack is stored by this node
   * and on the disk, and adds snapshot and references. Answers the packs that are missing; nothing is added then.
   * @throws OcmError 'snapshot-refused' with `why` 'sequence' or 'chain'
   */
  addSnapshot(
    snapshot: {
      readonly id: string
      readonly header: SnapshotHeader
      readonly statement: Uint8Array
      readonly at: number
    },
    size: PackSize,
  ): Promise<string[]>
  /** Newest first, of one node or all; those that are pruned only when they are asked for. */
  snapshots(node?: string, pruned?: boolean): Promise<SnapshotState[]>
  /** False when there is none. */
  setVerified(snapshot: string, at: number): Promise<boolean>
  snapshot(id: string): Promise<(SnapshotState & { readonly header: Uint8Array }) | undefined>
  /** Whether one of these snapshots uses the pack; then its size. */
  packOf(snapshots: readonly string[], pack: string): Promise<{ bytes: number } | undefined>
}

/** Sealed bytes by the hash of what is stored, and beside them all that a recovery without a hub needs. */
export interface Packs {
  /**
   * Takes a pack in; answered when it is on the disk. One that is there already is written anew: it may be damaged.
   * @param body its pieces are the store's from then on
   * @throws OcmError 'pack-mismatch' when length or hash differ, 'store-failed'
   */
  put(id: string, bytes: number, body: AsyncIterable<Uint8Array>): Promise<void>
  /** Bytes of it; undefined when it is not there. */
  size(id: string): Promise<number | undefined>
  /**
   * @param room what pieces are read into, each good until the next is asked for; without it each has memory of its own
   * @throws OcmError 'pack-missing'
   */
  get(id: string, offset: number, length: number, room?: Uint8Array): AsyncIterable<Uint8Array>
  /** Whatever is cut short, there is a slot that opens a secret which opens every epoch. */
  keepVault(vault: {
    readonly record: Uint8Array
    readonly slots: readonly Uint8Array[]
    readonly epochs?: readonly StoredEpoch[]
  }): Promise<void>
  keepHeader(snapshot: string, statement: Uint8Array): Promise<void>
  /** @throws OcmError 'store-failed' when nothing can be written */
  probe(): Promise<void>
  /** Answered when the files are gone for good. Those that are not there are gone. @throws OcmError 'store-failed' */
  remove(ids: readonly string[]): Promise<void>
  /** @throws OcmError 'store-failed' */
  removeHeader(snapshot: string): Promise<void>
  /** Hashes what is stored. @throws OcmError 'store-failed' when the whole store cannot be reached */
  check(id: string, bytes: number): Promise<'whole' | 'damaged' | 'missing'>
}

/** Judges who has proved to hold a key. Thrown errors go to the agent, sealed, before the link is closed. */
export type Accept = (agentKey: Uint8Array, hello: Hello) => Promise<Welcome>

/** Ends the conversation with a node, if there is one, and tells the agent why. */
export type CloseLink = (node: string, code: ErrorCode) => void
