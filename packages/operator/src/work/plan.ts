/** What would happen, as a value to be looked at before anything does. */
import {
  type Choices,
  type Finding,
  type Obstacle,
  OcmError,
  type Plan,
  type Primitives,
  base64url,
  defaultChoices,
  planApply,
  sealWish,
  wishOf,
} from '@ocm/protocol'
import { type DescribedNode, describeNode } from '../snapshots/describe.ts'
import type { OpenedSnapshot } from '../snapshots/open.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'

/** A plan with what an order for it needs. */
export interface Prepared {
  readonly source: OpenedSnapshot
  readonly target: DescribedNode
  readonly plan: Plan
  /** Of a move: the operator attests that the source is off. */
  readonly unfenced?: true
}

export function makePlan(
  p: Primitives,
  wish: {
    readonly source: OpenedSnapshot
    readonly target: DescribedNode
    readonly kind: Choices['kind']
    /** What is not chosen is as `defaultChoices` says. */
    readonly choices?: Partial<Omit<Choices, 'kind'>>
    /** See Prepared. */
    readonly unfenced?: true
  },
): Prepared {
  const { source, target, kind, unfenced } = wish
  const choices = { ...defaultChoices(kind), ...wish.choices }
  const between = { source: source.node, target: target.node }
  const obstacles = kind === 'move' && !unfenced ? target.ofSource : []
  const plan = planApply(p, source.manifest, target.facts, choices, between, obstacles)
  return { source, target, plan, ...(unfenced && kind === 'move' ? { unfenced } : {}) }
}

/**
 * Asks the target what it is, and then whether it has what a plan would find missing otherwise. The source of a move is
 * asked whether it can be stopped: better known before it has been backed up, written and tried.
 * @throws as `describeNode`
 */
export async function describeTarget(
  ports: Ports,
  unlocked: Unlocked,
  node: string,
  wish: Omit<Parameters<typeof makePlan>[1], 'target'>,
): Promise<DescribedNode> {
  const { p } = ports
  const first = await describeNode(ports, unlocked, node)
  const ofSource = await obstaclesOfSource(ports, unlocked, wish)
  const target = { ...first, ofSource }
  const { plan } = makePlan(p, { ...wish, target })
  const asked = wishOf(wish.source.manifest, plan)
  if (Object.values(asked).every((some) => some.length === 0)) return target
  const { jobKey, nonce } = target.description
  const sealed = base64url(sealWish(p, jobKey, { node, nonce }, asked))
  return { ...(await describeNode(ports, unlocked, node, sealed)), ofSource }
}

/** One that is away is waited for, and asked by the fence itself. */
async function obstaclesOfSource(
  ports: Ports,
  unlocked: Unlocked,
  { kind, source, unfenced }: Omit<Parameters<typeof makePlan>[1], 'target'>,
): Promise<readonly Obstacle[]> {
  if (kind !== 'move' || unfenced) return []
  try {
    return (await describeNode(ports, unlocked, source.node)).facts.obstacles ?? []
  } catch (error) {
    if (error instanceof OcmError && error.code === 'node-offline') return []
    throw error
  }
}

/** What forbids the order. */
export const blockersOf = (plan: Plan): readonly Finding[] =>
  plan.findings.filter(({ weight }) => weight === 'blocker')

export const warningsOf = (plan: Plan): readonly Finding[] =>
  plan.findings.filter(({ weight }) => weight === 'warning')

export const noticesOf = (plan: Plan): readonly Finding[] =>
  plan.findings.filter(({ weight }) => weight === 'notice')

/** @throws OcmError 'plan-blocked', with the first blocker's code as `why` and its facts */
export function refuseBlocked(plan: Plan): void {
  const [blocker] = blockersOf(plan)
  if (blocker !== undefined)
    throw new OcmError('plan-blocked', { ...blocker.facts, why: blocker.code })
}
