/** Turning an approved plan into an order that its target can check, and that nobody else can use. */
import {
  type Grant,
  type Job,
  Order,
  base64url,
  makeStatement,
  newId,
  sealChoices,
  sealGrant,
} from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { confirmedKey } from '../vault/nodes.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { nextFenceEpoch } from './fence-epoch.ts'
import { grantFor } from './grant.ts'
import { type Prepared, refuseBlocked } from './plan.ts'

export interface SignedOrder {
  readonly job: string
  readonly kind: Order['kind'] | 'undo' | 'release'
  readonly statement: Uint8Array
}

/**
 * @throws OcmError 'plan-blocked', 'node-unconfirmed', 'pack-damaged'
 */
export async function signOrder(
  ports: Ports,
  unlocked: Unlocked,
  prepared: Prepared,
): Promise<SignedOrder> {
  const { p, now } = ports
  const { source, target, plan, unfenced } = prepared
  refuseBlocked(plan)
  // Either may have been retired since it was read.
  confirmedKey(unlocked, source.node)
  confirmedKey(unlocked, target.node)
  const grant: Grant = await grantFor(ports, unlocked, prepared)
  const job = newId(p)
  const context = { job, target: target.node, snapshot: source.id }
  const order: Order = {
    v: 1,
    vault: unlocked.vault.id,
    operator: unlocked.operator.id,
    minRecord: unlocked.record.serial,
    job,
    kind: plan.kind,
    source: source.node,
    target: target.node,
    snapshot: source.id,
    nonce: target.description.nonce,
    jobKey: target.description.jobKey,
    choices: sealChoices(p, target.description.jobKey, context, plan.choices),
    plan: plan.hash,
    fenceEpoch:
      plan.kind === 'move' ? await nextFenceEpoch(ports, unlocked, source, unfenced === true) : 0,
    grant: sealGrant(p, target.description.jobKey, context, grant),
    ...(plan.kind === 'move' && unfenced ? { unfenced } : {}),
    at: now(),
  }
  return {
    job,
    kind: plan.kind,
    statement: makeStatement(p, 'order', order, unlocked.operator.key),
  }
}

export const startOrder = (api: ApiClient, { kind, statement }: SignedOrder): Promise<Job> =>
  api.startJob({ kind, order: base64url(statement) })
