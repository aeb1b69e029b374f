/** From a snapshot's manifest, a target's facts and an operator's choices to the plan. Pure: both sides derive it. */
import type { Choices } from './choices.ts'
import { OcmError } from './errors.ts'
import type { Manifest } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Plan } from './plan.ts'
import type { Primitives } from './primitives/primitives.ts'

/** The node the snapshot is of and the node it is to be applied to, by id. */
export interface Between {
  readonly source: string
  readonly target: string
}

/** @param between node ids; a restore between two nodes is a blocker, not an error. */
export function planApply(
  p: Primitives,
  manifest: Manifest,
  facts: TargetFacts,
  choices: Choices,
  between: Between,
): Plan {
  throw new OcmError('internal', {
    p: typeof p,
    a: manifest.v,
    b: facts.fenced,
    c: choices.kind,
    d: between.target,
  })
}
