/** Whether an order is worth passing on. Target and source judge it again, by the vault that they have pinned. */
import {
  claimedSigner,
  equal,
  OcmError,
  Order,
  type Primitives,
  readStatement,
} from '@ocm/protocol'
import type { Static, TSchema } from 'typebox'
import type { Node, NodeCatalog, SnapshotCatalog } from '../nodes/ports.ts'
import type { VaultKeeper } from '../nodes/vault.ts'

export interface OrderNeeds {
  readonly p: Primitives
  readonly nodes: NodeCatalog
  readonly snapshots: SnapshotCatalog
  readonly vault: VaultKeeper
}

const invalid = (why: string) => new OcmError('order-invalid', { why })

/**
 * @throws OcmError 'malformed', 'signature-invalid', 'order-invalid' with `why`, 'vault-record-stale', 'node-unknown',
 * 'node-revoked', 'node-cloned', 'node-unconfirmed', 'snapshot-pruned', 'snapshot-foreign', 'not-found'
 */
export async function readOrder(
  { p, nodes, snapshots, vault }: OrderNeeds,
  statement: Uint8Array,
): Promise<Order> {
  const order = readByOperator(p, vault, 'order', Order, statement)
  if ((order.kind === 'restore') !== (order.source === order.target)) throw invalid('target')

  for (const id of new Set([order.target, order.source])) {
    checkNode(await nodes.node(id), vault)
  }
  const snapshot = await snapshots.snapshot(order.snapshot)
  if (!snapshot) throw new OcmError('not-found', { what: 'snapshot' })
  if (snapshot.prunedAt !== null) throw new OcmError('snapshot-pruned')
  if (snapshot.node !== order.source) throw new OcmError('snapshot-foreign')
  return order
}

/** What only an operator can say. @throws OcmError 'malformed', 'signature-invalid', 'order-invalid', 'vault-record-stale' */
export function readByOperator<T extends TSchema>(
  p: Primitives,
  vault: VaultKeeper,
  kind: 'order' | 'undo' | 'target-off',
  shape: T,
  statement: Uint8Array,
): Static<T> {
  const { record } = vault.needed()
  const operators = record.operators.filter(
    ({ key }) => !record.revoked.some((revoked) => equal(revoked, key)),
  )
  const signers = operators.map(({ key }) => key)
  const said = readStatement(p, kind, shape, statement, signers)
  const {
    operator,
    vault: of,
    minRecord,
  } = said as {
    operator: string
    vault: string
    minRecord: number
  }
  const signer = claimedSigner(statement)
  if (!operators.some(({ id, key }) => id === operator && equal(key, signer))) {
    throw invalid('operator')
  }
  if (of !== record.vault) throw invalid('vault')
  if (minRecord > record.serial) throw new OcmError('vault-record-stale')
  return said
}

export function checkNode(node: Node | undefined, vault: VaultKeeper): void {
  if (!node) throw new OcmError('node-unknown')
  if (node.state === 'revoked') throw new OcmError('node-revoked')
  if (node.state === 'quarantined') throw new OcmError('node-cloned')
  if (!vault.isConfirmed(node)) throw new OcmError('node-unconfirmed')
}
