/** What can be done with a node, and when. */
import type { NodeState } from '@ocm/protocol'

export const ACTS = [
  'backup',
  'move',
  'clone',
  'restore',
  'undo',
  'release',
  'lend',
  'connection',
  'adopt',
  'confirm',
  'readmit',
  'rename',
  'forget',
  'retire',
] as const
export type Act = (typeof ACTS)[number]

export function mayDo(
  act: Act,
  node: Pick<
    NodeState,
    'state' | 'confirmed' | 'online' | 'job' | 'lastSnapshot' | 'movedTo' | 'fence' | 'reach'
  >,
): boolean {
  if (node.state === 'revoked') return act === 'rename'
  // Fenced: there is nothing that runs and nothing new to be taken from it.
  if (node.movedTo !== null && (act === 'backup' || act === 'move')) return false
  switch (act) {
    case 'backup':
      return node.state === 'active' && canBeHad(node) && node.job === null
    case 'move':
      // One that is off can be moved out of its last snapshot.
      return (
        node.state === 'active' && node.confirmed && (canBeHad(node) || node.lastSnapshot !== null)
      )
    case 'undo':
      return node.state === 'active' && node.confirmed && canBeHad(node) && !isStopped(node)
    case 'release':
      return node.state === 'active' && node.confirmed && canBeHad(node) && isStopped(node)
    case 'clone':
    case 'restore':
      return node.confirmed && node.lastSnapshot !== null
    case 'confirm':
      return !node.confirmed
    case 'readmit':
      return node.state === 'quarantined'
    case 'lend':
      return isToBeLent(node)
    case 'adopt':
    case 'forget':
      return node.reach === 'ssh' && node.job === null
    case 'connection':
      return node.reach === 'ssh'
    case 'rename':
    case 'retire':
      return true
  }
}

/** For a move, and nothing runs there. */
const isStopped = ({ movedTo, fence }: Pick<NodeState, 'movedTo' | 'fence'>): boolean =>
  movedTo !== null || fence?.state === 'held'

/** Reached over ssh, and not connected at this moment. */
export const isToBeLent = ({ reach, online }: Pick<NodeState, 'reach' | 'online'>): boolean =>
  reach === 'ssh' && !online

const canBeHad = (node: Pick<NodeState, 'reach' | 'online'>): boolean =>
  node.online || isToBeLent(node)

/** Of nodes that are reached over ssh. */
const SSH_ACTS: readonly Act[] = ['lend', 'connection', 'adopt', 'forget']

/** Acts on nothing that is to be seen at all. */
export function isOffered(
  act: Act,
  node: Pick<NodeState, 'state' | 'confirmed' | 'movedTo' | 'fence' | 'reach'>,
): boolean {
  if (SSH_ACTS.includes(act)) return node.reach === 'ssh' && node.state === 'active'
  if (act === 'confirm') return !node.confirmed && node.state === 'active'
  if (act === 'readmit') return node.state === 'quarantined'
  return act === 'release' ? isStopped(node) : true
}
