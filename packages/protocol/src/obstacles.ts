/** What keeps a node from being stopped and put aside: found out when it is planned, and not when it is halfway. */
import type { Choices } from './choices.ts'
import type { Obstacle, TargetFacts } from './orders.ts'
import type { Finding } from './plan.ts'

/** @param source of a move, as the source said it itself; nothing when it was not asked */
export function judgeObstacles(
  { only }: Choices,
  { obstacles = [] }: Pick<TargetFacts, 'obstacles'>,
  source: readonly Obstacle[] = [],
): readonly Finding[] {
  // Parts are put into the state directory, which stays where it is.
  const here = obstacles.filter((one) => only === undefined || one.startsWith('gateway-'))
  return [
    ...here.map((one) => blocker(one, 'target')),
    ...source.map((one) => blocker(one, 'source')),
  ]
}

const blocker = (code: Obstacle, who: 'source' | 'target'): Finding => ({
  code,
  weight: 'blocker',
  facts: { who },
})
