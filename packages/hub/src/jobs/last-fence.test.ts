import { hex, makeStatement, newId, type Order } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { expect, test } from 'vitest'
import { lastFence } from './last-fence.ts'

const source = newId(p)
const order = (fenceEpoch: number): Order => ({
  v: 1,
  vault: newId(p),
  operator: newId(p),
  minRecord: 1,
  job: newId(p),
  kind: 'move',
  source,
  target: newId(p),
  snapshot: hex(p.random(32)),
  nonce: p.random(32),
  jobKey: p.random(32),
  choices: p.random(200),
  plan: hex(p.random(32)),
  fenceEpoch,
  grant: p.random(100),
  at: 0,
})

test('an order of a key that was recovered from counts for nothing, as it does for operators', async () => {
  const [today, before] = [p.ed25519Pair(), p.ed25519Pair()]
  const [mine, later, theirs] = [
    makeStatement(p, 'order', order(3), today),
    makeStatement(p, 'order', order(4), today),
    makeStatement(p, 'order', order(1003), before),
  ]
  const jobs = { movesOf: async () => [theirs, mine, later] }
  const last = await lastFence(jobs, [{ key: today.public }], source)
  expect(last).toEqual({ statement: later, fenceEpoch: 4 })
  const both = [{ key: today.public }, { key: before.public }]
  expect((await lastFence(jobs, both, source))?.fenceEpoch).toBe(1003)
})
