/** The rewrites of a plan as people look through them. */
import { type Plan, SECTIONS, type Section } from '@ocm/protocol'

export type Edit = Plan['edits'][number]

/** What is the same before and after, and what is not. */
export interface Difference {
  readonly head: string
  readonly was: string
  readonly becomes: string
  readonly tail: string
}

const BORDER = /[/\s"'`:=,;()[\]{}<>]/
/** Longer equal parts are cut: a line of prose may be a page. */
const CONTEXT = 48

/** Whole names of a path differ, not letters of them. */
export function differenceOf(before: string, after: string): Difference {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start++
  while (start > 0 && !BORDER.test(before[start - 1] as string)) start--
  let end = 0
  while (
    end < shorter - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  ) {
    end++
  }
  while (end > 0 && !BORDER.test(before[before.length - end] as string)) end--
  return {
    head: cutStart(before.slice(0, start)),
    was: before.slice(start, before.length - end),
    becomes: after.slice(start, after.length - end),
    tail: cutEnd(before.slice(before.length - end, before.length)),
  }
}

const cutStart = (text: string) => (text.length > CONTEXT ? `…${text.slice(-CONTEXT)}` : text)
const cutEnd = (text: string) => (text.length > CONTEXT ? `${text.slice(0, CONTEXT)}…` : text)

/** How many there are in each section that has any, in the order of the words. */
export function countsBySection(
  edits: readonly Edit[],
): readonly { readonly section: Section; readonly count: number }[] {
  const counts = new Map<Section, number>()
  for (const { section } of edits) counts.set(section, (counts.get(section) ?? 0) + 1)
  return SECTIONS.flatMap((section) => {
    const count = counts.get(section)
    return count === undefined ? [] : [{ section, count }]
  })
}

/** By section, then as the plan has them. */
export function editsMatching(
  edits: readonly Edit[],
  section: Section | 'all',
  search: string,
): readonly Edit[] {
  const wanted = search.trim().toLowerCase()
  const matches = ({ where, before, after }: Edit) =>
    [where, before, after].some((text) => text.toLowerCase().includes(wanted))
  return edits
    .filter((edit) => (section === 'all' || edit.section === section) && matches(edit))
    .toSorted((a, b) => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section))
}

/** A page of them, with a heading wherever the section changes. */
export function grouped(
  edits: readonly Edit[],
): readonly { readonly section: Section; readonly edits: readonly Edit[] }[] {
  const groups: { section: Section; edits: Edit[] }[] = []
  for (const edit of edits) {
    const last = groups.at(-1)
    if (last?.section === edit.section) last.edits.push(edit)
    else groups.push({ section: edit.section, edits: [edit] })
  }
  return groups
}
