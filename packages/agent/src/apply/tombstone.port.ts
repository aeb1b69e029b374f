/** What lies beside the state directory of a node that was moved away. Its gateway may not start while it lies there. */
export interface Tombstone {
  readonly v: 1
  /** Hash of the ORDER it was fenced under. */
  readonly order: string
  readonly fenceEpoch: number
  /** The node that goes on in its place. */
  readonly successor: string
  /** By this node's clock. */
  readonly at: number
  /** Where the state directory was put. */
  readonly kept: string
}

/** Beside the state directory, so that no swap of the state takes it away. */
export const tombstoneOf = (stateDirectory: string): string => `${stateDirectory}.ocm-fenced.json`
