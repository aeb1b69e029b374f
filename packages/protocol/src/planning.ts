/**
 * From a snapshot's manifest, a target's facts and an operator's choices to the plan. Pure and deterministic: the
 * operator's side derives it to be reviewed, the target derives it again and refuses an order with another hash.
 */
import { hex } from './bytes.ts'
import { toCbor } from './cbor.ts'
import type { Choices } from './choices.ts'
import { chosenOf, judgeGraft, placeGraft, rulesOf, withoutShared } from './chosen.ts'
import { keyOf, planItems, travels } from './fates.ts'
import { graftOf } from './grafting.ts'
import { inOrderOfWeight, judge } from './judging.ts'
import type { Layout } from './layout.ts'
import type { Manifest, Mention } from './manifest.ts'
import { judgeObstacles } from './obstacles.ts'
import type { Obstacle, TargetFacts } from './orders.ts'
import { placeRoots } from './placing.ts'
import type { Plan, PlanEdit, RewriteRule } from './plan.ts'
import type { Primitives } from './primitives/primitives.ts'
import { ADVICE, reportsOf, whereOf } from './reporting.ts'
import { placeToName, rewriteText, rulesBetween } from './rewrite.ts'

/** The node the snapshot is of and the node it is to be applied to, by id. */
export interface Between {
  readonly source: string
  readonly target: string
}

/**
 * Never fails: what forbids the order is among the plan's findings as a 'blocker'.
 * @param source what keeps the source of a move from being stopped. The target derives the plan without it, and needs not
 * know: what it adds forbids the order.
 */
export function planApply(
  p: Primitives,
  whole: Manifest,
  facts: TargetFacts,
  choices: Choices,
  between: Between,
  source: readonly Obstacle[] = [],
): Plan {
  const { kind } = choices
  const grafting = graftOf(whole, facts, choices)
  const graft = grafting?.graft
  const manifest = graft ? chosenOf(whole, graft) : whole
  const placed = graft
    ? placeGraft(manifest, facts, graft)
    : placeRoots(manifest.layout, facts, choices)
  const rules = longestFirst([
    ...rulesBetween(manifest.layout, {
      roots: Object.fromEntries(placed.map(({ root, to }) => [root, to])),
    }),
    ...(graft ? rulesOf(graft) : []),
  ])
  const port = {
    from: manifest.layout.port,
    to: graft ? facts.layout.port : choosePort(manifest, facts, choices),
  }
  const part = { kind, choices, rules, port, ...(graft ? { graft } : {}) }
  const edited = editsOf(manifest, part)
  const edits = edited.map(({ edit }) => edit)
  const bytes = manifest.entries
    .filter(({ travel }) => travels(part, travel))
    .reduce((sum, { size }) => sum + size, 0)
  const reports = reportsOf(manifest, part, facts)
  const findings = inOrderOfWeight([
    ...(grafting ? judgeGraft(whole, facts, choices, grafting) : []),
    ...judgeObstacles(choices, facts, source),
    ...judge({ ...part, manifest, facts, between, placed, edits, reports, bytes }),
  ])
  return {
    ...part,
    roots: placed.map(({ root, from, to }) => ({ root, from, to })),
    items: planItems(
      graft ? withoutShared(manifest, graft) : manifest,
      part,
      new Set(edited.flatMap(({ edit, entry }) => (edit.done ? [entry] : []))),
    ),
    edits,
    reports,
    findings,
    bytes,
    hash: hashOf(p, part, findings),
  }
}

const longestFirst = (rules: readonly RewriteRule[]) =>
  rules.toSorted((a, b) => b.was.length - a.was.length || (a.root < b.root ? -1 : 1))

/** The layout that a plan gives to its target; after a graft it has its own roots too. */
export const layoutUnder = (
  plan: Pick<Plan, 'roots' | 'port' | 'graft'>,
  target: Layout,
): Layout => ({
  ...target,
  roots: {
    ...(plan.graft ? target.roots : {}),
    ...Object.fromEntries(plan.roots.map(({ root, to }) => [root, to])),
  },
  port: plan.port.to,
})

/** What replaces the old port in a text that is a port or ends an address with one. */
export const rewritePort = (text: string, port: Plan['port']): string =>
  port.from === 0 || port.from === port.to
    ? text
    : text.replace(new RegExp(`^${port.from}$|(?<=:)${port.from}(?!\\d)`, 'g'), String(port.to))

/** A restore keeps the port of the snapshot; a target that has one of its own keeps that one. */
function choosePort(manifest: Manifest, facts: TargetFacts, choices: Choices): number {
  if (choices.port !== null) return choices.port
  const own = facts.layout.port
  return choices.kind !== 'restore' && facts.occupied && own !== 0 ? own : manifest.layout.port
}

function editsOf(
  manifest: Manifest,
  part: Pick<Plan, 'kind' | 'choices' | 'rules' | 'port'>,
): readonly { readonly edit: PlanEdit; readonly entry: string }[] {
  const stays = new Set(
    manifest.entries.filter(({ travel }) => !travels(part, travel)).map((entry) => keyOf(entry)),
  )
  return manifest.mentions.flatMap((mention) => {
    const entry = keyOf(mention)
    const { implied } = mention
    const before = implied === undefined ? mention.text : ''
    const after =
      implied === undefined
        ? textAfter(mention, part.rules, part.port)
        : (placeToName({ text: mention.text, implied }, part.rules, part.kind) ?? '')
    if (stays.has(entry) || after === before) return []
    const edit: PlanEdit = {
      where: whereOf(mention),
      section: mention.section,
      class: mention.class,
      before,
      after,
      done: mention.class !== 'prose' || part.choices.prose,
    }
    return [{ edit, entry }]
  })
}

function textAfter(mention: Mention, rules: readonly RewriteRule[], port: Plan['port']): string {
  switch (mention.kind) {
    case 'path':
      return rewriteText(mention.text, rules)
    case 'port':
      return rewritePort(mention.text, port)
    case 'host':
    case 'identity':
    case 'command':
      return mention.text
  }
}

/** Not over contents: the last delta of a move must fit the plan that was approved. */
function hashOf(
  p: Primitives,
  { choices, rules, port, graft }: Pick<Plan, 'choices' | 'rules' | 'port' | 'graft'>,
  findings: Plan['findings'],
): string {
  const binding = findings.filter(({ code }) => !ADVICE.has(code))
  const seen = [...new Set(binding.map(({ code, weight }) => `${code} ${weight}`))].toSorted()
  const parts = graft ? { graft } : {}
  return hex(p.sha256(toCbor({ v: 1, rules, choices, port, findings: seen, ...parts })))
}
