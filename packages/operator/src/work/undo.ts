/** Taking the last apply of a node back, and letting a fenced source go whose target is off: one signature each. */
import {
  OcmError,
  type TargetFacts,
  type TargetOff,
  type Undo,
  makeStatement,
  newId,
} from '@ocm/protocol'
import { type DescribedNode, describeNode } from '../snapshots/describe.ts'
import { confirmedKey } from '../vault/nodes.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'
import type { SignedOrder } from './order.ts'

/** What a node says that an undo would take back. */
export interface Undoable {
  readonly node: DescribedNode
  readonly last: NonNullable<TargetFacts['lastApply']>
}

/** @throws OcmError 'source-fenced', 'undo-refused' with `why`; 'node-offline', 'node-unconfirmed' */
export async function findUndoable(
  ports: Ports,
  unlocked: Unlocked,
  node: string,
): Promise<Undoable> {
  const described = await describeNode(ports, unlocked, node)
  const { lastApply, fence } = described.facts
  if (fence !== undefined) throw new OcmError('source-fenced')
  if (lastApply === undefined) throw new OcmError('undo-refused', { why: 'nothing' })
  return { node: described, last: lastApply }
}

/** Which nodes have to be there for it. The source of a move runs again; one that was attested to be off is not waited for. */
export async function nodesOfUndo(
  { api }: Ports,
  { node, last }: Undoable,
): Promise<readonly string[]> {
  if (last.kind !== 'move') return [node.node]
  const move = (await api.jobs()).find(
    (job) => job.kind === 'move' && job.node === node.node && job.source === last.source,
  )
  return move?.unfenced === 'owed' ? [node.node] : [node.node, last.source]
}

export function signUndo(ports: Ports, unlocked: Unlocked, { node, last }: Undoable): SignedOrder {
  const body: Undo = {
    ...signedBy(ports, unlocked, node),
    node: node.node,
    undoes: last.order,
  }
  const statement = makeStatement(ports.p, 'undo', body, unlocked.operator.key)
  return { job: body.job, kind: 'undo', statement }
}

export interface Held {
  readonly node: DescribedNode
  readonly fence: NonNullable<TargetFacts['fence']>
}

/** @throws OcmError 'not-found' when the node is not fenced; 'node-offline', 'node-unconfirmed' */
export async function findHeld(ports: Ports, unlocked: Unlocked, node: string): Promise<Held> {
  const described = await describeNode(ports, unlocked, node)
  const { fence } = described.facts
  if (fence === undefined) throw new OcmError('not-found', { what: 'fence on this node' })
  return { node: described, fence }
}

export function signTargetOff(
  ports: Ports,
  unlocked: Unlocked,
  { node, fence }: Held,
): SignedOrder {
  const { order, fenceEpoch, target } = fence
  const body: TargetOff = {
    ...signedBy(ports, unlocked, node),
    node: node.node,
    target,
    order,
    fenceEpoch,
  }
  const statement = makeStatement(ports.p, 'target-off', body, unlocked.operator.key)
  return { job: body.job, kind: 'release', statement }
}

function signedBy({ p, now }: Ports, unlocked: Unlocked, { node, description }: DescribedNode) {
  // It may have been retired since it was asked.
  confirmedKey(unlocked, node)
  return {
    v: 1 as const,
    vault: unlocked.vault.id,
    operator: unlocked.operator.id,
    minRecord: unlocked.record.serial,
    job: newId(p),
    nonce: description.nonce,
    at: now(),
  }
}
