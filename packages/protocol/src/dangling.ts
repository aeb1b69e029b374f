/** What chosen parts stand on that neither comes with them nor is on the target: told before anything is applied. */
import type { Choices } from './choices.ts'
import type { Manifest, Tie } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Finding, Graft } from './plan.ts'
import { isTaken } from './ties.ts'

/** One finding for each thing that is missing; `by` names the first part that needs it. */
export function judgeDangling(
  manifest: Manifest,
  facts: TargetFacts,
  graft: Graft,
  { kind }: Choices,
): readonly Finding[] {
  // What a part is made of is told by them alone: without them half of it would be left behind unseen.
  if (manifest.ties === undefined) return [{ code: 'ties-unknown', weight: 'blocker', facts: {} }]
  const coming = manifest.ties.filter(
    (tie) => tie.way === 'brings' && isTaken(tie, graft) && !(kind === 'clone' && tie.identity),
  )
  const here = facts.holds?.ties ?? []
  const personas = new Set([
    ...(facts.holds?.inventory?.personas ?? []),
    ...graft.personas.map(({ from }) => from),
  ])
  const findings = new Map<string, Finding>()
  for (const tie of manifest.ties) {
    if (tie.way !== 'needs' || !isTaken(tie, graft)) continue
    const has =
      tie.what === 'persona'
        ? personas.has(tie.name)
        : [...coming, ...here.filter((own) => own.way === 'brings')].some((own) => serves(own, tie))
    const key = `${tie.what} ${tie.name}`
    if (has || findings.has(key)) continue
    findings.set(key, {
      code: `dangling-${tie.what}`,
      weight: 'warning',
      facts: { name: tie.name, by: `${tie.part.kind} ${tie.part.name}` },
    })
  }
  return [...findings.values()]
}

/** What a persona brings serves that persona alone. */
const serves = (own: Tie, needed: Tie): boolean =>
  own.what === needed.what &&
  own.name === needed.name &&
  (own.part.kind !== 'persona' ||
    (needed.part.kind === 'persona' && needed.part.name === own.part.name))
