/** What a target says of itself, fresh, signed by its own key and sealed to the vault. */
import {
  Description,
  type Obstacle,
  OcmError,
  type TargetFacts,
  fromBase64url,
  openFacts,
  readStatement,
} from '@ocm/protocol'
import { confirmedKey } from '../vault/nodes.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'

export interface DescribedNode {
  readonly node: string
  /** Its nonce and job key hold until the node is asked again or its agent restarts. */
  readonly description: Description
  readonly facts: TargetFacts
  /** Of the target of a move: what keeps the source from being stopped, as the source says itself. */
  readonly ofSource?: readonly Obstacle[]
}

/**
 * @param wish sealed to the job key of the description before
 * @throws OcmError 'node-unconfirmed', 'node-offline', 'signature-invalid'
 */
export async function describeNode(
  { p, api }: Ports,
  unlocked: Unlocked,
  node: string,
  wish?: string,
): Promise<DescribedNode> {
  const key = confirmedKey(unlocked, node)
  const statement = fromBase64url((await api.describeNode(node, wish)).description)
  const description = readStatement(p, 'description', Description, statement, [key])
  if (description.node !== node) throw new OcmError('signature-invalid', { what: 'description' })
  return { node, description, facts: openFacts(p, unlocked.vault.sealing, description) }
}
