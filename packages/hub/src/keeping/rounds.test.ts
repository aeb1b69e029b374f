import { nodePrimitives as p } from '@ocm/protocol/node'
import pino from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DAY, HOUR, type TestNode, TestStore } from '../testing/store.ts'
import { resume, retentionState, setPolicy } from './policy.ts'
import { createRounds } from './rounds.ts'

let store: TestStore
let node: TestNode
beforeEach(async () => {
  store = await TestStore.open()
  node = await store.node()
})
afterEach(() => store.close())

const needs = () => ({
  ...store.catalog,
  packs: store.packs,
  publish: () => undefined,
  now: store.now,
  log: pino({ level: 'silent' }),
})
const round = () => createRounds(needs()).round()
const kept = async () => (await store.catalog.snapshots.snapshots()).map(({ seq }) => seq)
const setDaily = (daily: number) => setPolicy(needs(), { node: null, policy: { daily } }, 'ada')

/** One snapshot a day, each with a look behind it. */
async function days(count: number, lookToo = true): Promise<void> {
  for (let day = 0; day < count; day++) {
    await node.backUp([p.random(20)])
    if (lookToo) await round()
    store.at += DAY
  }
}

test('without a policy nothing goes, however old', async () => {
  await days(30)
  store.at += 6 * DAY
  await round()
  expect(await kept()).toHaveLength(30)
})

test('with a policy it prunes once a day, within the lock, and takes the space back after the grace', async () => {
  await setDaily(3)
  await days(25)
  // 14 days are locked, and the look came right behind each snapshot.
  expect(await kept()).toEqual(Array.from({ length: 14 }, (_, back) => 25 - back))
  const all = await store.catalog.snapshots.snapshots(undefined, true)
  // Three days of grace: pruned, and still there.
  expect(all.filter(({ prunedAt }) => prunedAt !== null).map(({ seq }) => seq)).toEqual([11, 10, 9])
  expect((await store.catalog.audit.newest(1))[0]).toMatchObject({
    actor: 'retention',
    action: 'pruned',
  })
})

test('looks at other times do not prune, and a start anew knows when it last did', async () => {
  await days(20, false)
  await setDaily(1)
  await round()
  expect(await kept()).toHaveLength(13)
  store.at += 23 * HOUR
  await round()
  expect(await kept()).toHaveLength(13)
  store.at += HOUR
  await round()
  expect(await kept()).toHaveLength(12)
})

test('a policy of one node goes before that of all, also one that keeps everything', async () => {
  const other = await store.node()
  await other.backUp([p.random(1)])
  await days(20, false)
  await setDaily(1)
  await setPolicy(needs(), { node: node.id, policy: null }, 'ada')
  await round()
  expect(await kept()).toHaveLength(21)
  await setPolicy(needs(), { node: node.id, policy: 'inherit' }, 'ada')
  store.at += DAY
  await round()
  expect((await kept()).length).toBeLessThan(21)
})

test('a clock that was set ten years ahead deletes nothing, until somebody says that it is right', async () => {
  await setDaily(1)
  await days(20)
  const before = await kept()
  const all = await store.catalog.snapshots.snapshots(undefined, true)
  const real = store.at
  store.at += 3650 * DAY
  await round()
  expect(await kept()).toEqual(before)
  expect(await store.catalog.snapshots.snapshots(undefined, true)).toHaveLength(all.length)
  expect((await retentionState(needs())).held).toMatchObject({ lastSeenAt: real - DAY })

  // Set right again, it goes on by itself.
  store.at = real
  await round()
  expect((await retentionState(needs())).held).toBeNull()

  store.at += 30 * DAY
  await round()
  expect((await retentionState(needs())).held).not.toBeNull()
  await resume(needs(), 'ada')
  await round()
  expect(await kept()).toHaveLength(7)
})

test('a hub that has never looked takes its newest snapshot for its clock', async () => {
  await days(20, false)
  await setDaily(1)
  store.at += 3650 * DAY
  await round()
  expect(await kept()).toHaveLength(20)
})

test('a clock that starts in the past and is then set right is believed', async () => {
  await days(3)
  const real = store.at
  store.at = 0
  await round()
  store.at = real
  await round()
  expect((await retentionState(needs())).held).toBeNull()
})
