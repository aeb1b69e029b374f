/** Removes what OCM has on a node without an agent, and retires it. */
import type { NodeState } from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import { retireNode } from '../vault/nodes.ts'
import type { Unlocked } from '../vault/unlock.ts'

/**
 * The node is to be connected. Its identity is revoked at last: until then it can be done again.
 * @returns how much is left there that is not OCM's to remove, see ForgetAnswer.
 */
export async function forget(ports: Ports, unlocked: Unlocked, node: NodeState): Promise<number> {
  const { kept } = await ports.api.forgetNode(node.id)
  await ports.api.dropSsh(node.id)
  await retireNode(ports, unlocked, node)
  return kept
}
