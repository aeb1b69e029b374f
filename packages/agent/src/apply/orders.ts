/** Whether an order is one that this node has to follow. */
import type { Static, TSchema } from 'typebox'
import {
  Abort,
  Fenced,
  OcmError,
  Order,
  type Primitives,
  type SnapshotHeader,
  TargetOff,
  Undo,
  type VaultRecord,
  claimedSigner,
  equal,
  hex,
  readSnapshot,
  readStatement,
  snapshotIdOf,
} from '@ocm/protocol'

export interface VerifiedOrder {
  readonly order: Order
  /** Names the order in every later statement. */
  readonly hash: string
  readonly sourceKey: Uint8Array
  readonly targetKey: Uint8Array
}

const invalid = (why: string, cause?: unknown) => new OcmError('order-invalid', { why }, { cause })

/**
 * @param record accepted under the pinned root; it says who may order and which nodes there are.
 * @throws OcmError 'signature-invalid', 'vault-record-stale', 'node-unconfirmed', 'order-invalid'
 */
export function readOrder(
  p: Primitives,
  statement: Uint8Array,
  record: VaultRecord,
): VerifiedOrder {
  const order = readByOperator(p, 'order', Order, statement, record)
  return {
    order,
    hash: hex(p.sha256(statement)),
    sourceKey: keyIn(record, order.source),
    targetKey: keyIn(record, order.target),
  }
}

export interface VerifiedUndo {
  readonly undo: Undo
  readonly hash: string
  readonly nodeKey: Uint8Array
}

/** @throws OcmError as `readOrder` */
export function readUndo(p: Primitives, statement: Uint8Array, record: VaultRecord): VerifiedUndo {
  const undo = readByOperator(p, 'undo', Undo, statement, record)
  return { undo, hash: hex(p.sha256(statement)), nodeKey: keyIn(record, undo.node) }
}

export interface VerifiedTargetOff {
  readonly attested: TargetOff
  readonly hash: string
  readonly nodeKey: Uint8Array
}

/** @throws OcmError as `readOrder` */
export function readTargetOff(
  p: Primitives,
  statement: Uint8Array,
  record: VaultRecord,
): VerifiedTargetOff {
  const attested = readByOperator(p, 'target-off', TargetOff, statement, record)
  return { attested, hash: hex(p.sha256(statement)), nodeKey: keyIn(record, attested.node) }
}

interface ByOperator {
  readonly vault: string
  readonly operator: string
  readonly minRecord: number
}

/** What only an operator can say, who is one by this very record. */
function readByOperator<T extends TSchema>(
  p: Primitives,
  kind: 'order' | 'undo' | 'target-off',
  shape: T,
  statement: Uint8Array,
  record: VaultRecord,
): Static<T> {
  const operators = record.operators.filter(({ key }) => !isRevoked(record, key))
  const signers = operators.map(({ key }) => key)
  const said = readStatement(p, kind, shape, statement, signers)
  const { vault, operator, minRecord } = said as ByOperator
  const signer = claimedSigner(statement)
  if (!operators.some(({ id, key }) => id === operator && equal(key, signer))) {
    throw invalid('operator')
  }
  if (vault !== record.vault) throw invalid('vault')
  if (minRecord > record.serial) throw new OcmError('vault-record-stale')
  return said
}

const isRevoked = (record: VaultRecord, key: Uint8Array): boolean =>
  record.revoked.some((revoked) => equal(revoked, key))

function keyIn(record: VaultRecord, node: string): Uint8Array {
  const listed = record.nodes.find(({ id }) => id === node)
  if (!listed || isRevoked(record, listed.key)) throw new OcmError('node-unconfirmed')
  return listed.key
}

/** @throws OcmError 'order-invalid' unless the vault knows this node, by this key, under that id. */
export function checkIsMe(
  me: { readonly id: string; readonly key: { readonly public: Uint8Array } },
  named: { readonly id: string; readonly key: Uint8Array },
): void {
  if (named.id !== me.id || !equal(named.key, me.key.public)) throw invalid('another-node')
}

/**
 * The header of the one snapshot that something signed names.
 * @throws OcmError 'signature-invalid', 'order-invalid'
 */
export function readNamedSnapshot(
  p: Primitives,
  named: { readonly node: string; readonly key: Uint8Array; readonly snapshot: string },
  statement: Uint8Array,
): SnapshotHeader {
  const header = readSnapshot(p, named.key, statement)
  if (snapshotIdOf(p, statement) !== named.snapshot || header.node !== named.node) {
    throw invalid('snapshot')
  }
  return header
}

/** @throws OcmError 'signature-invalid', 'order-invalid' */
export function readFenced(
  p: Primitives,
  under: {
    readonly order: string
    readonly source: string
    readonly sourceKey: Uint8Array
    readonly fenceEpoch: number
  },
  statement: Uint8Array,
): { readonly fenced: Fenced; readonly hash: string } {
  const fenced = readStatement(p, 'fenced', Fenced, statement, [under.sourceKey])
  const same =
    fenced.order === under.order &&
    fenced.node === under.source &&
    fenced.fenceEpoch === under.fenceEpoch
  if (!same) throw invalid('fenced')
  return { fenced, hash: hex(p.sha256(statement)) }
}

/**
 * @param under.fenced what this node said; an ABORT from before it reached the target names none.
 * @throws OcmError 'signature-invalid', 'order-invalid'
 */
export function readAbort(
  p: Primitives,
  under: {
    readonly order: string
    readonly fenced: string
    readonly target: string
    readonly targetKey: Uint8Array
  },
  statement: Uint8Array,
): Abort {
  const abort = readStatement(p, 'abort', Abort, statement, [under.targetKey])
  const same =
    abort.order === under.order &&
    abort.node === under.target &&
    (abort.fenced === null || abort.fenced === under.fenced)
  if (!same) throw invalid('abort')
  return abort
}
