/** What becomes of things, told by section; what is not simply kept comes first. */
import { type PlanItem, SECTIONS, type Section } from '@ocm/protocol'

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
