/** What can be done with a node, and when. */
import type { NodeState } from '@ocm/protocol'

export const ACTS = ['backup', 'move', 'clone', 'restore', 'confirm', 'rename', 'retire'] as const
export type Act = (typeof ACTS)[number]

export function mayDo(
  act: Act,
  node: Pick<NodeState, 'state' | 'confirmed' | 'online' | 'job' | 'lastSnapshot' | 'movedTo'>,
): boolean {
  if (node.state === 'revoked') return act === 'rename'
  // Fenced: there is nothing that runs and nothing new to be taken from it.
  if (node.movedTo !== null && (act === 'backup' || act === 'move')) return false
  switch (act) {
    case 'backup':
      return node.state === 'active' && node.online && node.job === null
    case 'move':
      return node.state === 'active' && node.confirmed && node.online
    case 'clone':
    case 'restore':
      return node.confirmed && node.lastSnapshot !== null
    case 'confirm':
      return !node.confirmed
    case 'rename':
    case 'retire':
      return true
  }
}

/** Acts on nothing that is to be seen at all. */
export const isOffered = (act: Act, node: Pick<NodeState, 'state' | 'confirmed'>): boolean =>
  act === 'confirm' ? !node.confirmed && node.state === 'active' : true
