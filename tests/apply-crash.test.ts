import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Killing, type Point, type Verdict, WORKS, hasStrace } from './support/rig/killing.ts'

/** What `npm run proof -- apply-crash` does at every call there is, here at a sample that is spread over the run. */
const SAMPLE = { clone: 34, move: 24, fence: 14, undo: 24 } as const
const NEEDED = 80

const folders = [0, 1].map(() => realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-crash-'))))
const killings: Killing[] = []
let isPossible = false

beforeAll(async () => {
  isPossible = await hasStrace()
  if (!isPossible) return
  for (const folder of folders) killings.push(new Killing(folder))
  await Promise.all(killings.map((killing) => killing.prepare()))
})
afterAll(async () => {
  for (const killing of killings) await killing.close()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const spread = <T>(all: readonly T[], count: number): readonly T[] =>
  Array.from({ length: count }, (_, i) => all[Math.floor(((i + 0.5) * all.length) / count)] as T)

async function killEach(killing: Killing, points: readonly Point[]): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = []
  for (const point of points) verdicts.push(await killing.kill(point))
  return verdicts
}

test('an agent that is killed anywhere in an apply or a fence leaves the old tree or the new one', async (context) => {
  if (!isPossible) return context.skip('needs strace')
  const [one, two] = killings as [Killing, Killing]
  const chosen: Point[] = []
  for (const work of WORKS) chosen.push(...spread(await one.points(work), SAMPLE[work]))
  const halves = [chosen.filter((_, i) => i % 2 === 0), chosen.filter((_, i) => i % 2 === 1)]
  const verdicts = await Promise.all([
    killEach(one, halves[0] ?? []),
    killEach(two, halves[1] ?? []),
  ])
  const all = verdicts.flat()
  const hit = new Set(all.filter((v) => v.hit).map((v) => `${v.work} ${v.call} ${v.n}`))
  const left = { old: 0, new: 0, mixed: 0 }
  for (const verdict of all) left[verdict.left]++
  console.log(`killed at ${hit.size} distinct points: ${JSON.stringify(left)}`)
  expect(all.filter((verdict) => verdict.wrong !== '')).toEqual([])
  expect(hit.size).toBeGreaterThanOrEqual(NEEDED)
  expect(Math.min(left.old, left.new)).toBeGreaterThan(0)
})
