import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Chain, type ChainLink } from './chain.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ocm-chain-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const node = '11'.repeat(16)
const link = (seq: number): ChainLink => ({
  seq,
  snapshot: seq.toString(16).padStart(64, '0'),
  job: seq.toString(16).padStart(32, '0'),
  packs: ['ab'.repeat(32)],
})

test('a chain is taken up where it was left', async () => {
  const chain = await Chain.open(dir, node)
  expect(chain.newest).toBeUndefined()
  for (const seq of [1, 2, 3]) await chain.committed(link(seq))
  const again = await Chain.open(dir, node)
  expect(again.newest).toEqual(link(3))
  expect(again.packsOf(link(2).snapshot)).toEqual(link(2).packs)
  expect(again.madeBy(link(1).job as string)).toEqual(link(1))
  expect(again.madeBy('ff'.repeat(16))).toBeUndefined()
})

test('what is being sent is known after a crash, until it is committed', async () => {
  const chain = await Chain.open(dir, node)
  await chain.send(link(1))
  expect((await Chain.open(dir, node)).sending).toEqual(link(1))
  expect((await Chain.open(dir, node)).newest).toBeUndefined()
  await chain.committed(link(1))
  expect((await Chain.open(dir, node)).sending).toBeUndefined()
})

test('a node enrolled anew begins a new chain', async () => {
  const chain = await Chain.open(dir, node)
  await chain.committed(link(1))
  expect((await Chain.open(dir, '22'.repeat(16))).newest).toBeUndefined()
  expect((await Chain.open(dir, node)).newest).toEqual(link(1))
})
