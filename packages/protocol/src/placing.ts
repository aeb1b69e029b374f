/** Where each root of a snapshot goes on the node it is applied to. */
import type { Choices } from './choices.ts'
import { type Layout, type RootId, isWithin } from './layout.ts'
import type { TargetFacts } from './orders.ts'
import type { Finding } from './plan.ts'

export interface PlacedRoot {
  readonly root: RootId
  readonly from: string
  readonly to: string
  /** Who decided: an operator, the target's own layout, the place in a root around it, or nobody: it stays where it was. */
  readonly by: 'choice' | 'target' | 'relative' | 'same'
  /** Of home and state directory: where the target's agent has them, whatever is wished. */
  readonly fixed?: string
}

/**
 * Every root of the source, outermost first. A home or state directory that the target's agent does not serve can be
 * looked at and not be had: everything goes with it then, and nothing to places that the target has of its own. Roots
 * that share a directory on the source share one on the target.
 */
export function placeRoots(
  from: Pick<Layout, 'roots'>,
  facts: Pick<TargetFacts, 'layout'>,
  choices: Choices,
): readonly PlacedRoot[] {
  const here = facts.layout.roots
  const isElsewhere = ['home', 'state'].some(
    (root) => choices.roots[root] !== undefined && choices.roots[root] !== here[root],
  )
  // A restore puts everything back where the snapshot had it, as long as this is still the same installation.
  const inPlace =
    choices.kind === 'restore' &&
    !isElsewhere &&
    from.roots['home'] === here['home'] &&
    from.roots['state'] === here['state']
  const placed: PlacedRoot[] = []
  for (const [root, was] of inOrder(from.roots)) {
    const twin = placed.find((other) => other.from === was)
    const chosen = choices.roots[root] ?? chosenForTwin(from.roots, was, choices)
    const around = placed.findLast((other) => other.from !== was && isWithin(other.from, was))
    const own = here[root]
    if (root === 'home' || root === 'state') {
      const fixed = own ?? was
      const wished = choices.roots[root] ?? (isElsewhere ? withHome(placed, was) : undefined)
      if (wished === undefined) {
        placed.push({
          root,
          from: was,
          to: fixed,
          by: own === undefined ? 'same' : 'target',
          fixed,
        })
      } else placed.push({ root, from: was, to: wished, by: 'choice', fixed })
    } else if (twin && choices.roots[root] === undefined) {
      placed.push({ ...twin, root })
    } else if (chosen !== undefined) {
      placed.push({ root, from: was, to: chosen, by: 'choice' })
    } else if (inPlace) {
      placed.push({ root, from: was, to: was, by: 'same' })
    } else if (own !== undefined && !isElsewhere) {
      placed.push({ root, from: was, to: own, by: 'target' })
    } else if (around) {
      const to = (around.to === '/' ? '' : around.to) + was.slice(around.from.length)
      placed.push({ root, from: was, to, by: around.by === 'same' ? 'same' : 'relative' })
    } else {
      placed.push({ root, from: was, to: was, by: 'same' })
    }
  }
  return placed
}

/** A state directory goes with the home around it, when that is wished elsewhere. */
const withHome = (placed: readonly PlacedRoot[], was: string): string | undefined => {
  const home = placed.find(({ root, from }) => root === 'home' && isWithin(from, was))
  return home?.by === 'choice' ? home.to + was.slice(home.from.length) : undefined
}

/** Home and state first, then the shortest path first, so that a root finds the one around it already placed. */
const inOrder = (roots: Layout['roots']) =>
  Object.entries(roots).toSorted(
    ([a, pathA], [b, pathB]) =>
      rank(a) - rank(b) || pathA.length - pathB.length || (a < b ? -1 : 1),
  )

const rank = (root: string) => (root === 'home' ? 0 : root === 'state' ? 1 : 2)

const chosenForTwin = (roots: Layout['roots'], was: string, choices: Choices) =>
  Object.entries(choices.roots).find(([root]) => roots[root] === was)?.[1]

/** What is wrong with a placement, and what people should know about it. */
export function judgePlacement(
  placed: readonly PlacedRoot[],
  choices: Choices,
): readonly Finding[] {
  const findings: Finding[] = []
  const invalid = (root: string, why: string) =>
    findings.push({ code: 'root-invalid', weight: 'blocker', facts: { root, why } })
  for (const root of Object.keys(choices.roots)) {
    const own = placed.find((one) => one.root === root)
    // An agent serves one home and one state directory; another profile or account is another node.
    if (rank(root) < 2) {
      const facts = { root, path: own?.fixed ?? own?.to ?? '', wished: choices.roots[root] ?? '' }
      if (facts.path !== facts.wished)
        findings.push({ code: 'root-fixed', weight: 'blocker', facts })
    } else if (own === undefined) invalid(root, 'unknown')
  }
  for (const { root, to, from, by } of placed) {
    if (!isPlain(to) && !(root === 'home' && to === '/')) invalid(root, 'path')
    else if (placed.some((other) => swallows({ root, to, from }, other))) invalid(root, 'swallows')
    if (by === 'same' && choices.kind !== 'restore' && rank(root) === 2) {
      findings.push({ code: 'root-stays', weight: 'warning', facts: { root, path: to } })
    }
  }
  for (const [i, a] of placed.entries()) {
    for (const b of placed.slice(i + 1)) {
      if ((a.to === b.to) !== (a.from === b.from)) {
        const facts = { root: a.root, other: b.root, path: a.to }
        findings.push({ code: 'roots-collide', weight: 'blocker', facts })
      }
    }
  }
  return findings
}

/** Absolute, and without anything that means another place than it says. */
const isPlain = (path: string) =>
  path.startsWith('/') &&
  path !== '/' &&
  path
    .slice(1)
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && !name.includes('\0'))

/** A workspace around the home or the state dir of the target would take them along when it is swapped in. */
const swallows = (
  one: Pick<PlacedRoot, 'root' | 'from' | 'to'>,
  other: Pick<PlacedRoot, 'root' | 'from' | 'to'>,
) =>
  rank(one.root) === 2 &&
  rank(other.root) < 2 &&
  isWithin(one.to, other.to) &&
  !isWithin(one.from, other.from)
