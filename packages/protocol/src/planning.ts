/**
 * From a snapshot's manifest, a target's facts and an operator's choices to the plan. Pure and deterministic: the
 * operator's side derives it to be reviewed, the target derives it again and refuses an order with another hash.
 */
import { hex } from './bytes.ts'
import { toCbor } from './cbor.ts'
import type { Choices } from './choices.ts'
import { keyOf, planItems, travels } from './fates.ts'
import { judge } from './judging.ts'
import { type Layout, pathFromBytes } from './layout.ts'
import type { Manifest, Mention } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import { placeRoots } from './placing.ts'
import type { Plan, PlanEdit, RewriteRule } from './plan.ts'
import type { Primitives } from './primitives/primitives.ts'
import { rewriteText, rulesBetween } from './rewrite.ts'

/** The node the snapshot is of and the node it is to be applied to, by id. */
export interface Between {
  readonly source: string
  readonly target: string
}

/** Never fails: what forbids the order is among the plan's findings as a 'blocker'. */
export function planApply(
  p: Primitives,
  manifest: Manifest,
  facts: TargetFacts,
  choices: Choices,
  between: Between,
): Plan {
  const { kind } = choices
  const placed = placeRoots(manifest.layout, facts, choices)
  const rules = rulesBetween(manifest.layout, {
    roots: Object.fromEntries(placed.map(({ root, to }) => [root, to])),
  })
  const port = { from: manifest.layout.port, to: choosePort(manifest, facts, choices) }
  const part = { kind, choices, rules, port }
  const edited = editsOf(manifest, part)
  const edits = edited.map(({ edit }) => edit)
  const bytes = manifest.entries
    .filter(({ travel }) => travels(part, travel))
    .reduce((sum, { size }) => sum + size, 0)
  const findings = judge({ ...part, manifest, facts, between, placed, edits, bytes })
  return {
    ...part,
    roots: placed.map(({ root, from, to }) => ({ root, from, to })),
    items: planItems(
      manifest,
      part,
      new Set(edited.flatMap(({ edit, entry }) => (edit.done ? [entry] : []))),
    ),
    edits,
    findings,
    bytes,
    hash: hashOf(p, part, findings),
  }
}

/** The layout that a plan gives to its target. */
export const layoutUnder = (plan: Pick<Plan, 'roots' | 'port'>, target: Layout): Layout => ({
  ...target,
  roots: Object.fromEntries(plan.roots.map(({ root, to }) => [root, to])),
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
    const after = textAfter(mention, part.rules, part.port)
    if (stays.has(entry) || after === mention.text) return []
    const edit: PlanEdit = {
      where: `${mention.root}:${pathFromBytes(mention.path)} ${mention.at}`,
      section: mention.section,
      class: mention.class,
      before: mention.text,
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
      return mention.text
  }
}

/** Not over contents: the last delta of a move must fit the plan that was approved. */
function hashOf(
  p: Primitives,
  { choices, rules, port }: Pick<Plan, 'choices' | 'rules' | 'port'>,
  findings: Plan['findings'],
): string {
  const seen = [...new Set(findings.map(({ code, weight }) => `${code} ${weight}`))].toSorted()
  return hex(p.sha256(toCbor({ v: 1, rules, choices, port, findings: seen })))
}
    case 'command':
