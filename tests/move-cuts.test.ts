/**
 * Hub, source and target of a move die, and links are cut, at what it journals. What `npm run proof -- move` does at
 * every point there is and `npm run proof -- speakers` fifty times, here as a sample: real hub, agents and `ocm`, a gateway that stands in for OpenClaw.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cutScene } from './support/moves/cut-scene.ts'
import { VICTIMS, pointsOf } from './support/moves/cuts.ts'
import { other } from './support/moves/pair.ts'
import { cutsOf, drawn, playAll } from './support/moves/playing.ts'
import { naiveCopy, turns } from './support/moves/speaking.ts'

const SEED = 4
const CUTS = 5
const TURNS = 2

const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-move-')))
let scene: Awaited<ReturnType<typeof cutScene>>

beforeAll(async () => {
  scene = await cutScene(ground)
})
afterAll(async () => {
  await scene?.close()
  rmSync(ground, { recursive: true, force: true })
})

test('a bot that is moved while programs are killed has one poller; a copy that is started has two', async () => {
  const all = await turns(scene, SEED, TURNS)
  expect(all.filter(({ wrong, mostPollers }) => wrong !== '' || mostPollers > 1)).toEqual([])
  expect(all).toHaveLength(TURNS)
  const [speaker] = await scene.pair.ready()
  const { home } = scene.pair.seats[speaker ?? 'left']
  expect(await naiveCopy(scene, home, join(ground, 'copy'))).toBe(2)
})

test('a move that is cut where it journals ends with one speaker and its jobs there once', async () => {
  const from = (await scene.pair.ready())[0] ?? 'left'
  const points = await pointsOf(scene, from)
  expect(cutsOf(points).length).toBeGreaterThanOrEqual(40)
  const cuts = drawn(SEED, cutsOf(points), CUTS)
  const verdicts = await playAll(scene, other(from), cuts, SEED)
  expect(verdicts.filter(({ wrong }) => wrong !== '')).toEqual([])
  const struck = verdicts.filter(({ met }) => met).map(({ victim }) => victim)
  expect(struck.toSorted()).toEqual([...VICTIMS].toSorted())
})
