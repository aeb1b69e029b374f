/** Which snapshots are compared: a node stands for its newest one. */
import { type NodeState, OcmError, type SnapshotState } from '@ocm/protocol'

/** What a comparison is of, for people. */
export interface ComparedSide {
  readonly snapshot: string
  readonly node: string
  readonly label: string
  /** When it was committed, by the hub's clock. */
  readonly takenAt: number
}

/** @throws OcmError 'not-found' for a node without any */
export function sideOfNode(node: NodeState): ComparedSide {
  if (node.lastSnapshot === null) throw new OcmError('not-found', { what: 'snapshot of this node' })
  const { id, receivedAt } = node.lastSnapshot
  return { snapshot: id, node: node.id, label: node.label, takenAt: receivedAt }
}

export const sideOfSnapshot = (
  { id, node, receivedAt }: SnapshotState,
  nodes: readonly NodeState[],
): ComparedSide => ({
  snapshot: id,
  node,
  label: nodes.find((one) => one.id === node)?.label ?? '',
  takenAt: receivedAt,
})
