/** Which cuts there are, and one after the other of them: the node goes to and fro between the two homes. */
import { Random } from '../bench/random.ts'
import { type Cut, type Scene, type Verdict, VICTIMS, play } from './cuts.ts'
import type { Met } from './halting.ts'
import { type Side, other } from './pair.ts'

/** Whoever journals may die just before or just after; everybody else is struck when it is on the disk. */
export const cutsOf = (points: readonly Met[]): readonly Cut[] =>
  points.flatMap((point) =>
    VICTIMS.filter((victim) => point.when === 'after' || point.label.startsWith(victim)).map(
      (victim) => ({ point, victim }),
    ),
  )

/** So many, and of each victim as many as of every other, at points of its own. */
export function drawn(seed: number, cuts: readonly Cut[], count: number): readonly Cut[] {
  const piles = VICTIMS.map((victim, i) =>
    shuffled(
      seed + i,
      cuts.filter((cut) => cut.victim === victim),
    ),
  )
  return Array.from({ length: count }, (_, i) => {
    const pile = piles[i % piles.length] ?? []
    return pile[Math.floor(i / piles.length) % pile.length] as Cut
  })
}

const MOST_DELAY_MS = 1500

/** @param first where it speaks. A scene that is lost is not played on. */
export async function playAll(
  scene: Scene,
  first: Side,
  cuts: readonly Cut[],
  seed: number,
  tell: (verdict: Verdict) => void = () => undefined,
): Promise<readonly Verdict[]> {
  const random = new Random(seed, 'delays')
  const verdicts: Verdict[] = []
  let speaker = first
  for (const cut of cuts) {
    const verdict = await play(scene, speaker, cut, random.below(MOST_DELAY_MS))
    verdicts.push(verdict)
    tell(verdict)
    if (verdict.ended === 'nothing') break
    if (verdict.ended === 'done') speaker = other(speaker)
  }
  return verdicts
}

export function shuffled<T>(seed: number, all: readonly T[]): readonly T[] {
  const random = new Random(seed, 'order')
  const left = [...all]
  return all.map(() => left.splice(random.below(left.length), 1)[0] as T)
}
