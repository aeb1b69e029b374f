/** What retention, prune, collection and scrub need of a catalog. Times in milliseconds by the hub's clock. */
import type {
  PackDamage,
  Retained,
  RetentionLock,
  RetentionPolicy,
  RetentionVerdict,
} from '@ocm/protocol'

export interface KeepingSettings {
  readonly lock: RetentionLock
  readonly graceHours: number
  /** The last prune that the hub did by itself. */
  readonly ranAt: number | null
  /** The hub's clock when it last was believed. */
  readonly seenAt: number | null
  /** Since when it is not. */
  readonly heldAt: number | null
  /** The end of the last full scrub. */
  readonly scrubbedAt: number | null
}

/** `of` null is that of all nodes without one of their own. A policy of null keeps everything. */
export interface StoredPolicy {
  readonly of: string | null
  readonly policy: RetentionPolicy | null
}

export interface NodeVerdicts {
  readonly node: string
  readonly policy: RetentionPolicy | null
  /** Newest first. */
  readonly snapshots: readonly RetentionVerdict[]
}

/** Judges the snapshots of one node by what stands in the catalog in the same transaction. */
export type Judge = (
  snapshots: readonly Retained[],
  policy: RetentionPolicy | null,
) => RetentionVerdict[]

export interface KeepingCatalog {
  settings(): Promise<KeepingSettings>
  saveSettings(change: Partial<KeepingSettings>): Promise<void>
  policies(): Promise<StoredPolicy[]>
  /** 'inherit' removes one of a node. */
  setPolicy(of: string | null, policy: RetentionPolicy | null | 'inherit'): Promise<void>
  /** When the newest of all snapshots was received. */
  newestReceivedAt(): Promise<number | null>

  /** Of one node, or of all. */
  judged(judge: Judge, node?: string): Promise<NodeVerdicts[]>
  /** Bytes of the packs of a node that no other snapshot refers to which is not pruned. */
  bytesOnlyOf(node: string, snapshots: readonly string[]): Promise<number>
  /** Judges again and marks as pruned those that would go, of `wanted` or of all. Answers them with their nodes. */
  prune(
    judge: Judge,
    wanted: ReadonlySet<string> | undefined,
    by: { readonly now: () => number; readonly actor: string },
  ): Promise<{ readonly id: string; readonly node: string }[]>
  /** @throws OcmError 'not-found', 'undo-too-late' */
  undo(snapshot: string): Promise<void>
  /** @throws OcmError 'not-found', 'snapshot-pruned' */
  setPinned(snapshot: string, pinned: boolean): Promise<void>

  /** Marks packs that no snapshot refers to which is not pruned, unless their node is at work. Answers how many. */
  tombstone(at: number): Promise<number>
  /**
   * Removes at most `most` snapshots pruned by then to which no unfinished job refers; their headers become loose.
   * Answers them.
   */
  collectSnapshots(prunedBy: number, most: number): Promise<string[]>
  /**
   * Marks as being deleted at most `most` packs that were tombstoned by then, to which nothing refers and whose node is
   * not at work. Answers those whose files are to be removed, then `deleted` is to be called.
   */
  beginDelete(tombstonedBy: number, most: number): Promise<string[]>
  /** Those marked and not yet removed: what a crash has left. */
  beingDeleted(): Promise<string[]>
  /** Their files are gone. */
  deleted(packs: readonly string[]): Promise<void>

  /** Packs whose last check is older, or dated behind `now`; the one checked longest ago first. */
  leastChecked(before: number, now: number, most: number): Promise<CheckedPack[]>
  /** What was found. Nothing happens when the pack was put again or deleted since it was listed. */
  checked(pack: CheckedPack, found: 'whole' | 'damaged' | 'missing', at: number): Promise<void>
  damage(snapshot?: string): Promise<PackDamage[]>
  hit(): Promise<{ snapshot: string; node: string; receivedAt: number; damaged: number }[]>
  /** Counted by state, those being deleted left out of `oldestCheckAt`. */
  packCounts(): Promise<PackCounts>
}

export interface CheckedPack {
  readonly node: string
  readonly id: string
  readonly bytes: number
  readonly checkedAt: number
  readonly damage: 'damaged' | 'missing' | null
}

export interface PackCounts {
  readonly live: { readonly packs: number; readonly bytes: number }
  readonly tombstoned: { readonly packs: number; readonly bytes: number }
  readonly damaged: number
  readonly oldestCheckAt: number | null
  readonly snapshots: number
  readonly pruned: number
}
