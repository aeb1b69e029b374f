/** The operator of the rig: opens a description, plans, signs an order with a grant. */
import {
  type Choices,
  Description,
  type KeyPair,
  type Order,
  type Undo,
  defaultChoices,
  hex,
  makeStatement,
  openFacts,
  planApply,
  readStatement,
  sealChoices,
  sealGrant,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { Snapshot } from './snapshots.ts'
import { OPERATOR, keys, vault } from './vault.ts'

export interface Wish {
  readonly job: string
  readonly kind: Order['kind']
  readonly source: string
  readonly target: { readonly id: string; readonly key: KeyPair }
  readonly snapshot: Snapshot
  readonly fenceEpoch?: number
  readonly choices?: Partial<Choices>
  /** It is to be tried first; most tests go without. */
  readonly isTried?: true
  /** What the order says otherwise. */
  readonly order?: Partial<Order>
  readonly signer?: KeyPair
}

/** Opens the target's description, plans, and signs an order with a grant. */
export function orderUnder(description: Uint8Array, wish: Wish): Uint8Array {
  const { kind, source, target, snapshot } = wish
  const said = readStatement(p, 'description', Description, description, [target.key.public])
  const facts = openFacts(p, vault.sealing, said)
  const choices: Choices = {
    ...defaultChoices(kind),
    port: facts.layout.port,
    ...(!wish.isTried && { trial: false }),
    ...wish.choices,
  }
  const plan = planApply(p, snapshot.manifest, facts, choices, { source, target: target.id })
  return sign(wish, { nonce: said.nonce, jobKey: said.jobKey, choices, plan: plan.hash })
}

/** An order for its source alone: its target has made no offer and is never asked. */
export const orderToSource = (wish: Wish): Uint8Array =>
  sign(wish, {
    nonce: p.random(32),
    jobKey: p.x25519Pair().public,
    choices: defaultChoices(wish.kind),
    plan: '00'.repeat(32),
  })

function sign(
  wish: Wish,
  on: Pick<Order, 'nonce' | 'jobKey' | 'plan'> & { readonly choices: Choices },
): Uint8Array {
  const { job, kind, source, target, snapshot } = wish
  const context = { job, target: target.id, snapshot: snapshot.id }
  const order: Order = {
    v: 1,
    vault: vault.id,
    operator: OPERATOR,
    minRecord: 7,
    job,
    kind,
    source,
    target: target.id,
    snapshot: snapshot.id,
    nonce: on.nonce,
    jobKey: on.jobKey,
    choices: sealChoices(p, on.jobKey, context, on.choices),
    plan: on.plan,
    fenceEpoch: wish.fenceEpoch ?? 0,
    grant: sealGrant(p, on.jobKey, context, { packs: snapshot.keys, root: snapshot.root }),
    at: 0,
    ...wish.order,
  }
  return makeStatement(p, 'order', order, wish.signer ?? keys.operator)
}

/** An order to take back what was applied under another. */
export function undoUnder(
  description: Uint8Array,
  wish: {
    readonly job: string
    readonly target: { readonly id: string; readonly key: KeyPair }
    /** The ORDER. */
    readonly undoes: Uint8Array
    readonly says?: Partial<Undo>
    readonly signer?: KeyPair
  },
): Uint8Array {
  const { job, target, undoes } = wish
  const { nonce } = readStatement(p, 'description', Description, description, [target.key.public])
  const body: Undo = {
    v: 1,
    vault: vault.id,
    operator: OPERATOR,
    minRecord: 7,
    job,
    node: target.id,
    undoes: hex(p.sha256(undoes)),
    nonce,
    at: 0,
    ...wish.says,
  }
  return makeStatement(p, 'undo', body, wish.signer ?? keys.operator)
}
