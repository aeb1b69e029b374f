/**
 * A home that OpenClaw itself has filled, written at another place by recover: the two are compared as no difference, and
 * because both have one device key they are an alarm. No gateway runs.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NAMES } from './support/canaries.ts'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine, populatedHome } from './support/openclaw-home.ts'

let fleet: Fleet
let bob: string
const ask = <T>(...args: readonly string[]) => fleet.operator.json<T>(...args)

beforeAll(async () => {
  const alice = await populatedHome()
  const ground = freshMachine('compare-real')
  fleet = await startFleet(ground)
  await fleet.enrol('alpha', alice, ground)
  await ask('backup', 'alpha')
  bob = join(ground, 'srv', 'bob')
  mkdirSync(join(bob, '..'), { recursive: true })
  const to = join(ground, 'recovered')
  await ask('recover', join(ground, 'hub', 'packs'), '--to', to, '--home', bob)
  renameSync(join(to, bob), bob)
  await fleet.enrol('beta', bob, ground)
  await ask('backup', 'beta')
}, 600_000)

afterAll(() => fleet?.stop())

test('a node differs in nothing that matters from what was made of it at another place', async () => {
  expect(await ask<object>('diff', 'alpha', 'beta')).toMatchObject({
    config: [],
    lists: [],
    entries: [],
    unknown: [],
  })
  // The comparison does look: byte by byte nearly all of it is different.
  const { entries } = await ask<{ entries: { path: string }[] }>('diff', 'alpha', 'beta', '--all')
  expect(entries.map(({ path }) => path)).toContain('state:openclaw.json')
})

test('both are an alarm, for they have one device key', async () => {
  const nodes = await ask<{ label: string; twins: { kinds: string[] }[] }[]>('nodes')
  expect(nodes.map(({ label, twins }) => [label, twins.map(({ kinds }) => kinds)])).toEqual([
    ['alpha', [['device-key']]],
    ['beta', [['device-key']]],
  ])
})

test('what is changed at one of them shows, as OpenClaw has it', async () => {
  execFileSync('sh', ['-c', `echo more >> "${join(bob, `desk-${NAMES.persona}`)}/added-later.md"`])
  writeFileSync(join(bob, '.openclaw', 'skills', 'README.md'), 'of the skills\n')
  const diff = await ask<{ config: object[]; lists: object[]; entries: { path: string }[] }>(
    'diff',
    '--fresh',
    'alpha',
    'beta',
  )
  expect(diff.config).toEqual([])
  expect(diff.lists).toEqual([])
  expect(diff.entries.map(({ path }) => path)).toEqual([
    'state:skills/README.md',
    `workspace:${NAMES.persona}:added-later.md`,
  ])
})
