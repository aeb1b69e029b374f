/** What chosen parts stand on that neither comes with them nor is on the target: told before anything is applied. */
import type { Choices } from './choices.ts'
import type { Manifest, Tie } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Finding, Graft } from './plan.ts'
import { isInPointer, keysOfPointer } from './selection.ts'
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
  return [...findings.values(), ...danglingPlugins(manifest, facts, graft)]
}

/** Settings of a plugin that had to be installed, without what was installed. Those that OpenClaw comes with are anywhere. */
function danglingPlugins(
  { ties = [], inventory }: Manifest,
  { holds }: TargetFacts,
  { config, carried }: Graft,
): readonly Finding[] {
  const installed = new Set(inventory?.plugins)
  const here = new Set(holds?.inventory?.plugins)
  const settings = ties.filter(
    ({ part, way, what, name }) =>
      part.kind === 'section' &&
      part.name === 'plugins' &&
      way === 'brings' &&
      what === 'config' &&
      config.some((around) => isInPointer(around, name)),
  )
  return settings.flatMap(({ name }): Finding[] => {
    const id = keysOfPointer(name)?.at(-1) ?? ''
    const comes = carried.some(({ path }) => path === id || path.endsWith(`/${id}`))
    if (!installed.has(id) || here.has(id) || comes) return []
    const facts = { name: id, by: `config ${name}` }
    return [{ code: 'dangling-plugin', weight: 'warning', facts }]
  })
}

/** What a persona brings serves that persona alone. */
const serves = (own: Tie, needed: Tie): boolean =>
  own.what === needed.what &&
  own.name === needed.name &&
  (own.part.kind !== 'persona' ||
    (needed.part.kind === 'persona' && needed.part.name === own.part.name))
