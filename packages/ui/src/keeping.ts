/** What stays and what goes: policies as a form has them, previews as people count them. */
import type { PrunePreview, RetentionPolicy, RetentionVerdict } from '@ocm/protocol'

export const RULES = [
  'keepLast',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'yearly',
  'within',
] as const satisfies readonly (keyof RetentionPolicy)[]
export type Rule = (typeof RULES)[number]

/** Every rule with its number: what a policy does not name is 0. */
export type PolicyForm = Record<Rule, number>

export const formOf = (policy: RetentionPolicy): PolicyForm =>
  Object.fromEntries(RULES.map((rule) => [rule, policy[rule] ?? 0])) as PolicyForm

export const policyOf = (form: PolicyForm): RetentionPolicy =>
  Object.fromEntries(RULES.flatMap((rule) => (form[rule] > 0 ? [[rule, form[rule]]] : [])))

export const isSamePolicy = (a: RetentionPolicy | null, b: RetentionPolicy | null): boolean =>
  a === null || b === null ? a === b : RULES.every((rule) => (a[rule] ?? 0) === (b[rule] ?? 0))

/** A fortnight of days, two months of weeks, a year of months: what most people would choose. */
export const PROPOSED: RetentionPolicy = { keepLast: 7, daily: 14, weekly: 8, monthly: 12 }

export const goes = ({ keep }: Pick<RetentionVerdict, 'keep'>): boolean => keep.length === 0

export interface Pruning {
  readonly node: string
  readonly going: readonly RetentionVerdict[]
  readonly staying: readonly RetentionVerdict[]
  readonly bytes: number
}

export const pruningsOf = ({ nodes }: PrunePreview): readonly Pruning[] =>
  nodes.map(({ node, snapshots, bytes }) => ({
    node,
    bytes,
    going: snapshots.filter(goes),
    staying: snapshots.filter((verdict) => !goes(verdict)),
  }))
