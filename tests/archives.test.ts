/** OpenClaw's own archives, out of OCM and into it, with the real OpenClaw. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { ALICE, freshMachine, populatedHome } from './support/openclaw-home.ts'
import { openclawJson } from './support/openclaw.ts'
import { treeOf } from './support/trees.ts'

let ground: string
let fleet: Fleet

interface Verified {
  readonly ok: boolean
  readonly entryCount: number
}

beforeAll(async () => {
  ground = freshMachine('archives')
  await populatedHome()
  fleet = await startFleet(ground)
  await fleet.enrol('alice', ALICE, ground)
})

afterAll(() => fleet?.stop())

test('what is exported is verified by OpenClaw, and as a tree it is what it was', async () => {
  const { snapshot } = await fleet.operator.json<{ snapshot: string }>('backup', 'alice')
  const to = join(ground, 'exported.tar.gz')
  await fleet.operator.json('export', snapshot, '--to', to)
  const verified = (await openclawJson(ground, ['backup', 'verify', to, '--json'])) as Verified
  expect(verified).toMatchObject({ ok: true })

  const tree = join(ground, 'exported')
  await fleet.operator.json('export', snapshot, '--to', tree)
  const desk = join(ALICE, 'desk-quillwork')
  expect(treeOf(join(tree, desk))).toEqual(treeOf(desk))
})
