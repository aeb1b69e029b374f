/** What taking up a newer store needs of store and catalog. */
import type { SnapshotHeader } from '@ocm/protocol'
import type { Node, PackSize, StoredEpoch } from './ports.ts'

/** What a store holds besides packs. */
export interface Contents {
  /** Undefined before set-up. */
  vault(): Promise<
    | {
        readonly record: Uint8Array
        readonly slots: readonly Uint8Array[]
        readonly epochs: readonly StoredEpoch[]
      }
    | undefined
  >
  /** The id of each signed header, and when it was written. */
  headers(): Promise<readonly { readonly id: string; readonly at: number }[]>
  header(id: string): Promise<Uint8Array>
}

export interface Adopting {
  /** Ids of all snapshots that have a row, pruned ones too. */
  knownSnapshots(): Promise<ReadonlySet<string>>
  /** Does nothing for one that is there. */
  addNode(node: Node): Promise<void>
  /**
   * One that follows the newest of its node, if not directly. False when a pack of it is not there whole.
   */
  addSnapshot(
    snapshot: {
      readonly id: string
      readonly header: SnapshotHeader
      readonly statement: Uint8Array
      readonly at: number
    },
    size: PackSize,
  ): Promise<boolean>
}
