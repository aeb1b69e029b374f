/**
 * Hub, source and target of a move die, and links are cut, at what it journals. What `npm run proof -- move` does at
 * every point there is, here at a sample: real hub, agents and `ocm`, a gateway that stands in for OpenClaw.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cutScene } from './support/moves/cut-scene.ts'
import { VICTIMS, pointsOf } from './support/moves/cuts.ts'
import { cutsOf, drawn, playAll } from './support/moves/playing.ts'

const SEED = 4
const SAMPLE = 5

const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-move-')))
let scene: Awaited<ReturnType<typeof cutScene>>

beforeAll(async () => {
  scene = await cutScene(ground)
})
afterAll(async () => {
  await scene?.close()
  rmSync(ground, { recursive: true, force: true })
})

test('a move that is cut where it journals ends with one speaker and its jobs there once', async () => {
  const points = await pointsOf(scene, 'left')
  expect(cutsOf(points).length).toBeGreaterThanOrEqual(40)
  const verdicts = await playAll(scene, drawn(SEED, cutsOf(points), SAMPLE), SEED)
  expect(verdicts.filter(({ wrong }) => wrong !== '')).toEqual([])
  const struck = verdicts.filter(({ met }) => met).map(({ victim }) => victim)
  expect(struck.toSorted()).toEqual([...VICTIMS].toSorted())
})
