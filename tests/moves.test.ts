/**
 * Two rows of `npm run proof -- moves`: the populated home of the real OpenClaw is moved, under a gateway that stands
 * in, and it is looked at what OpenClaw lists and where the moved tree still names its old home.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NAMES } from './support/canaries.ts'
import { type Fleet, startFleet } from './support/fleet.ts'
import { listed, seatAt } from './support/moves/lists.ts'
import { ROWS } from './support/moves/matrix.ts'
import { type Play, playRow } from './support/moves/row.ts'
import { standIn } from './support/moves/stand-in.ts'
import { freshMachine, populatedHome } from './support/openclaw-home.ts'

const SAMPLE = [
  'a home path that is the beginning of another path',
  'blanks and letters beyond ASCII in paths, on both sides',
]

let fleet: Fleet
let play: Play

beforeAll(async () => {
  const ground = freshMachine('moves')
  const before = await listed(seatAt(await populatedHome()), NAMES.persona, 'few')
  fleet = await startFleet(ground)
  const openclaw = standIn(join(ground, 'stand-in'))
  play = { fleet, standIn: openclaw, openclaw, depth: 'few', before }
}, 600_000)
afterAll(async () => {
  await fleet?.stop()
})

test.each(SAMPLE)('a move is true to every path with %s', async (name) => {
  const number = ROWS.findIndex((row) => row.name === name)
  expect(await playRow(play, ROWS[number] as (typeof ROWS)[number], number)).toEqual([])
})
