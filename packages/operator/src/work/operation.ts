/** A whole restore, move or clone: the vault is opened for it, and closed as soon as the order is signed. */
import { type Choices, type Job, OcmError, type Plan } from '@ocm/protocol'
import { newestSnapshot, openSnapshot } from '../snapshots/open.ts'
import { type Confirmation, confirmNodes } from '../vault/nodes.ts'
import type { Ports } from '../ports.ts'
import type { Lender } from '../ssh/lender.ts'
import { type Unlocked, openVault } from '../vault/unlock.ts'
import { doneOrThrow, followJob } from './follow.ts'
import { type SignedOrder, signOrder, startOrder } from './order.ts'
import { type Prepared, describeTarget, makePlan, refuseBlocked } from './plan.ts'

export interface Wish {
  readonly kind: Choices['kind']
  /** The node whose snapshot it is. For a restore the same as `target`. */
  readonly source: string
  readonly target: string
  /** The newest, if none is named. A move makes a new one of its own. */
  readonly snapshot?: string
  readonly choices?: Partial<Omit<Choices, 'kind'>>
  /**
   * Of a move: the operator attests that the source is off. It goes on from its last snapshot, and the source is fenced
   * when it comes back.
   */
  readonly unfenced?: true
}

/** Where an operation is; a job has its own steps. */
export type Stage =
  | { readonly kind: 'opening' }
  | { readonly kind: 'confirmed'; readonly confirmation: Omit<Confirmation, 'unlocked'> }
  | { readonly kind: 'backing-up'; readonly job: Job }
  | { readonly kind: 'reading' }
  | { readonly kind: 'describing' }
  | { readonly kind: 'planned'; readonly plan: Plan }
  | { readonly kind: 'working'; readonly job: Job }

export interface Hooks {
  /** Asked once. */
  readonly passphrase: () => Promise<string>
  /** Shows the plan. A plan with blockers is shown too, and never carried out. */
  readonly approve: (plan: Plan) => Promise<boolean>
  readonly onStage?: (stage: Stage) => void
  /** For nodes that are reached over ssh. */
  readonly lender?: (unlocked: Unlocked) => Lender
}

export interface Outcome {
  readonly job: Job
  readonly plan: Plan
}

/**
 * @returns undefined when the plan was not approved; nothing was changed then.
 * @throws OcmError of any step, and the one that ended the job
 */
export async function carryOut(
  ports: Ports,
  wish: Wish,
  hooks: Hooks,
): Promise<Outcome | undefined> {
  let lender: Lender | undefined
  const tell = (stage: Stage) => {
    if ('job' in stage) lender?.heed(stage.job)
    hooks.onStage?.(stage)
  }
  try {
    const approved = await approveOrder(ports, wish, {
      ...hooks,
      onStage: tell,
      lender: (unlocked) => (lender = hooks.lender?.(unlocked)),
    })
    if (approved === undefined) return undefined
    const started = await startOrder(ports.api, approved.order)
    const job = await followJob(ports.api, started.id, (now) => tell({ kind: 'working', job: now }))
    return { job: doneOrThrow(job), plan: approved.plan }
  } finally {
    await lender?.close()
  }
}

interface Approving extends Omit<Hooks, 'lender' | 'onStage'> {
  readonly onStage: (stage: Stage) => void
  readonly lender: (unlocked: Unlocked) => Lender | undefined
}

/** All that needs keys. */
async function approveOrder(
  ports: Ports,
  wish: Wish,
  hooks: Approving,
): Promise<{ readonly order: SignedOrder; readonly plan: Plan } | undefined> {
  const tell = hooks.onStage
  tell({ kind: 'opening' })
  const opened = await openVault(ports, await hooks.passphrase())
  try {
    const { unlocked, ...confirmation } = await confirmNodes(ports, opened)
    tell({ kind: 'confirmed', confirmation })
    const lender = hooks.lender(unlocked)
    await lender?.connect(nodesOf(wish))
    const prepared = await prepareIn(ports, unlocked, wish, tell, lender)
    tell({ kind: 'planned', plan: prepared.plan })
    const agreed = await hooks.approve(prepared.plan)
    refuseBlocked(prepared.plan)
    if (!agreed) return undefined
    // Whoever reads a plan for longer than a connection lasts.
    await lender?.connect(nodesOf(wish))
    return { order: await signOrder(ports, unlocked, prepared), plan: prepared.plan }
  } finally {
    opened.close()
  }
}

/** Which nodes of it have to be there. */
export const nodesOf = ({ kind, source, target, unfenced }: Wish): readonly string[] =>
  kind === 'move' && !unfenced ? [source, target] : [target]

/** Makes the plan of a wish with an opened vault; a move backs its source up first. */
export async function prepareIn(
  ports: Ports,
  unlocked: Unlocked,
  wish: Wish,
  tell: (stage: Stage) => void = () => undefined,
  lender?: Lender,
): Promise<Prepared> {
  if (wish.snapshot === undefined && wish.kind === 'move' && !wish.unfenced)
    await backUp(ports, wish.source, tell)
  const snapshot = wish.snapshot ?? (await newestSnapshot(ports, unlocked, wish.source))
  tell({ kind: 'reading' })
  const source = await openSnapshot(ports, unlocked, snapshot)
  if (source.node !== wish.source) throw new OcmError('snapshot-foreign')
  tell({ kind: 'describing' })
  // A connection may have ended with the backup before.
  await lender?.connect(nodesOf(wish))
  const wanted = {
    source,
    kind: wish.kind,
    ...(wish.choices === undefined ? {} : { choices: wish.choices }),
    ...(wish.kind === 'move' && wish.unfenced ? { unfenced: wish.unfenced } : {}),
  }
  const target = await describeTarget(ports, unlocked, wish.target, wanted)
  return makePlan(ports.p, { ...wanted, target })
}

/** A new snapshot of a node. */
export async function backUp(
  { api }: Ports,
  node: string,
  tell: (stage: Stage) => void = () => undefined,
): Promise<string> {
  const { id } = await api.startJob({ kind: 'backup', node })
  const job = doneOrThrow(await followJob(api, id, (now) => tell({ kind: 'backing-up', job: now })))
  if (job.snapshot === null) throw new OcmError('malformed', { what: 'answer of the hub' })
  return job.snapshot
}
