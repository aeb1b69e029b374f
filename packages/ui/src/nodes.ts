/** Facts about nodes as the pages need them. */
import type { NodeState, SnapshotState } from '@ocm/protocol'
import { situationOf } from './tones.ts'

/** What operators call a node; the beginning of its id when it is not known. */
export const labelOf = (
  nodes: readonly Pick<NodeState, 'id' | 'label'>[] | undefined,
  id: string,
): string => nodes?.find((node) => node.id === id)?.label ?? id.slice(0, 8)

/** The newest snapshot of each node. */
export function newestOf(snapshots: readonly SnapshotState[]): ReadonlyMap<string, SnapshotState> {
  const newest = new Map<string, SnapshotState>()
  for (const snapshot of snapshots) {
    if (snapshot.seq > (newest.get(snapshot.node)?.seq ?? 0)) newest.set(snapshot.node, snapshot)
  }
  return newest
}

/** By label; the retired ones only if wished. */
export function nodesMatching(
  nodes: readonly NodeState[],
  search: string,
  withRetired: boolean,
): readonly NodeState[] {
  const wanted = search.trim().toLowerCase()
  return nodes
    .filter(({ label, state }) => {
      if (state === 'revoked' && !withRetired) return false
      return label.toLowerCase().includes(wanted)
    })
    .toSorted(
      (a, b) =>
        Number(a.state === 'revoked') - Number(b.state === 'revoked') ||
        a.label.localeCompare(b.label, undefined, { numeric: true }),
    )
}

export function summaryOf(nodes: readonly NodeState[]) {
  const active = nodes.filter(({ state }) => state !== 'revoked')
  return {
    nodes: active.length,
    online: active.filter((node) => situationOf(node) === 'online').length,
    unconfirmed: active.filter(({ confirmed, state }) => !confirmed && state === 'active').length,
  }
}
