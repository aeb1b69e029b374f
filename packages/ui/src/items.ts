/** What becomes of things, told by section; what is not simply kept comes first. */
import { type Plan, type PlanItem, type PlanReport, SECTIONS, type Section } from '@ocm/protocol'

const TOLD_FIRST: readonly PlanItem['fate'][] = [
  'left-behind',
  'disabled',
  'made-new',
  'rewritten',
  'kept',
]

export const itemsBySection = (
  items: readonly PlanItem[],
): readonly { readonly section: Section; readonly items: readonly PlanItem[] }[] =>
  SECTIONS.flatMap((section) => {
    const found = items
      .filter((item) => item.section === section && item.count > 0)
      .toSorted((a, b) => TOLD_FIRST.indexOf(a.fate) - TOLD_FIRST.indexOf(b.fate))
    return found.length === 0 ? [] : [{ section, items: found }]
  })

/** As many that are simply kept are shown at first. */
const KEPT_SHOWN = 6

/** What is not shown at first: of many things that are simply kept, all but some. */
export function folded(items: readonly PlanItem[]): readonly PlanItem[] {
  const kept = items.filter(({ fate, count }) => fate === 'kept' && count > 0)
  return kept.length > KEPT_SHOWN + 2 ? kept.slice(KEPT_SHOWN) : []
}

/** What may not hold on the target, by why, in the order in which it matters. */
export function reportsByWhy(
  reports: Plan['reports'],
): readonly { readonly why: PlanReport['why']; readonly reports: Plan['reports'] }[] {
  return WHYS.flatMap((why) => {
    const found = reports.filter((one) => one.why === why)
    return found.length === 0 ? [] : [{ why, reports: found }]
  })
}

const WHYS: readonly PlanReport['why'][] = [
  'schema-unknown',
  'table-unknown',
  'plugin-missing',
  'dependencies-left',
  'field-unknown',
  'command-missing',
  'path-missing',
  'port-in-use',
  'localhost-silent',
  'host',
  'localhost',
  'path-unchecked',
  'path-nowhere',
  'text-unscanned',
]
