/** What would happen, as a value to be looked at before anything does. */
import {
  type Choices,
  type Finding,
  OcmError,
  type Plan,
  type Primitives,
  defaultChoices,
  planApply,
} from '@ocm/protocol'
import type { DescribedNode } from '../snapshots/describe.ts'
import type { OpenedSnapshot } from '../snapshots/open.ts'

/** A plan with what an order for it needs. */
export interface Prepared {
  readonly source: OpenedSnapshot
  readonly target: DescribedNode
  readonly plan: Plan
}

export function makePlan(
  p: Primitives,
  wish: {
    readonly source: OpenedSnapshot
    readonly target: DescribedNode
    readonly kind: Choices['kind']
    /** What is not chosen is as `defaultChoices` says. */
    readonly choices?: Partial<Omit<Choices, 'kind'>>
  },
): Prepared {
  const { source, target, kind } = wish
  const choices = { ...defaultChoices(kind), ...wish.choices }
  const between = { source: source.node, target: target.node }
  return { source, target, plan: planApply(p, source.manifest, target.facts, choices, between) }
}

/** What forbids the order. */
export const blockersOf = (plan: Plan): readonly Finding[] =>
  plan.findings.filter(({ weight }) => weight === 'blocker')

export const warningsOf = (plan: Plan): readonly Finding[] =>
  plan.findings.filter(({ weight }) => weight === 'warning')

/** @throws OcmError 'plan-blocked', with the first blocker's code as `why` and its facts */
export function refuseBlocked(plan: Plan): void {
  const [blocker] = blockersOf(plan)
  if (blocker !== undefined)
    throw new OcmError('plan-blocked', { ...blocker.facts, why: blocker.code })
}
