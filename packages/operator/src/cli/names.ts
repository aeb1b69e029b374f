/** Nodes and snapshots by label, id or a piece of one that fits no other. */
import { type Job, type NodeState, OcmError, type SnapshotState } from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'

/** @throws OcmError 'not-found' or, when it fits several, 'wrong-use' */
export async function nodeNamed(api: ApiClient, name: string): Promise<NodeState> {
  return findNode(await api.nodes(), name)
}

export function findNode(nodes: readonly NodeState[], name: string): NodeState {
  const exact = nodes.filter(({ id, label }) => id === name || label === name)
  const fitting = nodes.filter(({ id, label }) => id.startsWith(name) || label.startsWith(name))
  return only(
    exact.length > 0 ? exact : fitting,
    'node',
    name,
    ({ label, id }) => `${label} (${id})`,
  )
}

/** @param node of which to look at the snapshots; all when it is not given. 'latest' is the newest of a node. */
export async function snapshotNamed(
  api: ApiClient,
  name: string,
  node?: string,
  { pruned = false }: { readonly pruned?: boolean } = {},
): Promise<SnapshotState> {
  const snapshots = await api.snapshots(node, { pruned })
  if (name === 'latest' && node !== undefined) {
    return only(snapshots.slice(0, 1), 'snapshot', name, ({ id }) => id)
  }
  const fitting = snapshots.filter(({ id }) => id.startsWith(name))
  return only(fitting, 'snapshot', name, ({ id }) => id)
}

export async function jobNamed(api: ApiClient, name: string): Promise<Job> {
  const fitting = (await api.jobs()).filter(({ id }) => id.startsWith(name))
  return only(fitting, 'job', name, ({ id }) => id)
}

function only<T>(
  fitting: readonly T[],
  what: string,
  name: string,
  spell: (thing: T) => string,
): T {
  const [first, second] = name === '' ? [] : fitting
  if (first === undefined) throw new OcmError('not-found', { what })
  if (second !== undefined) {
    const several = fitting.slice(0, 5).map(spell).join(', ')
    throw new OcmError('wrong-use', { what: `“${name}” fits more than one ${what}: ${several}` })
  }
  return first
}
