import { readFile, rm, writeFile } from 'node:fs/promises'
import { nodePrimitives as p } from '@ocm/protocol/node'
import pino from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { idOf } from '../testing/agent.ts'
import { DAY, type TestNode, TestStore } from '../testing/store.ts'
import { createScrub, type Scrub } from './scrub.ts'

let store: TestStore
let node: TestNode
let scrub: Scrub
let paused: number[]
let busy: boolean
/** Called for each pause; the first that is a whole round ends a test's wait. */
let rested: () => void
beforeEach(async () => {
  store = await TestStore.open()
  node = await store.node()
  paused = []
  busy = false
  rested = () => undefined
  scrub = createScrub({
    keeping: store.catalog.keeping,
    packs: store.packs,
    publish: () => undefined,
    log: pino({ level: 'silent' }),
    now: store.now,
    bytesPerSecond: 1000,
    isBusy: async () => busy,
    pause: (ms, signal) => {
      signal.throwIfAborted()
      paused.push(ms)
      if (ms === 60_000) {
        rested()
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        })
      }
      busy = false
      return Promise.resolve()
    },
  })
})
afterEach(async () => {
  await scrub.stop()
  await store.close()
})

const untilRested = () => new Promise<void>((resolve) => (rested = resolve))

/** All that is due now, or with `full` everything. */
async function run(full: boolean): Promise<void> {
  const first = untilRested()
  scrub.start()
  await first
  if (!full) return
  const second = untilRested()
  await scrub.startFull()
  await second
}

async function rot(pack: Uint8Array): Promise<void> {
  const bytes = await readFile(store.pathOf(pack))
  bytes[7] = (bytes[7] ?? 0) ^ 1
  await writeFile(store.pathOf(pack), bytes)
}

test('finds one flipped bit and a missing file, marks the snapshots that use them and no others', async () => {
  const [rotten, lost, sound] = [p.random(100), p.random(200), p.random(300)]
  const first = await node.backUp([rotten, lost, sound])
  store.at += 1
  const second = await node.backUp([sound])
  await rot(rotten)
  await rm(store.pathOf(lost))
  store.at += 1
  await run(true)

  const { damage, snapshots, running, endedAt, packs, bytes } = await scrub.state()
  expect({ running, endedAt, packs, bytes }).toEqual({
    running: null,
    endedAt: store.at,
    packs: 3,
    bytes: 600,
  })
  expect(damage.toSorted((a, b) => a.bytes - b.bytes)).toEqual([
    { pack: idOf(rotten), node: node.id, kind: 'damaged', foundAt: store.at, bytes: 100 },
    { pack: idOf(lost), node: node.id, kind: 'missing', foundAt: store.at, bytes: 200 },
  ])
  expect(snapshots).toMatchObject([{ snapshot: first, damaged: 2 }])
  expect((await store.catalog.snapshots.snapshot(first))?.damaged).toBe(2)
  expect((await store.catalog.snapshots.snapshot(second))?.damaged).toBe(0)
  expect(await store.catalog.keeping.damage(second)).toEqual([])
})

test('a damaged pack is missing for its node, and a commit that names it is refused with the list', async () => {
  const [rotten, sound] = [p.random(100), p.random(100)]
  await node.backUp([rotten, sound])
  await rot(rotten)
  store.at += 1
  await run(true)
  expect(await node.missing(rotten, sound)).toEqual([idOf(rotten)])
  expect(await node.snapshot([rotten, sound])).toEqual([idOf(rotten)])
  // The node stores anew what was in it, in another pack; and the record heals when the same one comes again.
  const anew = p.random(120)
  const next = await node.backUp([anew, sound])
  expect((await store.catalog.snapshots.snapshot(next))?.damaged).toBe(0)
  await node.put(rotten)
  expect((await scrub.state()).damage).toEqual([])
})

test('a file that was put back by hand is whole at the next look', async () => {
  const pack = p.random(100)
  await node.backUp([pack])
  await rot(pack)
  store.at += 1
  await run(true)
  expect((await scrub.state()).damage).toHaveLength(1)
  await rot(pack)
  store.at += 1
  const again = untilRested()
  await scrub.startFull()
  await again
  expect((await scrub.state()).damage).toEqual([])
  expect(scrub.counted).toEqual({ packs: 2, bytes: 200, found: 1 })
})

test('by itself it looks at each pack within 30 days, and not before half of that', async () => {
  const packs = Array.from({ length: 40 }, () => p.random(10))
  for (const pack of packs) await node.put(pack)
  const began = store.at
  store.at += 15 * DAY - 1
  await run(false)
  expect(scrub.counted.packs).toBe(0)
  await scrub.stop()
  store.at = began + 22 * DAY
  const half = await dueAt()
  expect(half).toBeGreaterThan(5)
  expect(half).toBeLessThan(35)
  store.at = began + 29 * DAY
  expect(half + (await dueAt())).toBe(40)
  expect((await store.catalog.keeping.packCounts()).oldestCheckAt).toBeGreaterThan(began)
})

/** How many packs another process finds due now. */
async function dueAt(): Promise<number> {
  let seen = 0
  const other = createScrub({
    keeping: store.catalog.keeping,
    packs: store.packs,
    publish: () => undefined,
    log: pino({ level: 'silent' }),
    now: store.now,
    isBusy: async () => false,
    pause: (ms, signal) => {
      if (ms !== 60_000) {
        seen++
        return Promise.resolve()
      }
      rested()
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    },
  })
  const done = untilRested()
  other.start()
  await done
  await other.stop()
  return seen
}

test('is no faster than it may be, and waits while a node is at work', async () => {
  for (let i = 0; i < 3; i++) await node.put(p.random(500))
  busy = true
  store.at += 1
  await run(true)
  // At 1000 bytes a second; busy once, at the first.
  expect(paused.filter((ms) => ms !== 60_000)).toEqual([2000, 500, 500, 500])
})

test('a pack that is put again while it is hashed is not called damaged', async () => {
  const pack = p.random(100)
  await node.put(pack)
  const [listed] = await store.catalog.keeping.leastChecked(store.at + 1, store.at + 1, 1)
  if (!listed) throw new Error()
  await rot(pack)
  const found = await store.packs.check(listed.id, listed.bytes)
  store.at += 1
  await node.put(pack)
  if (found !== 'whole') await store.catalog.keeping.checked(listed, found, store.at)
  expect(found).toBe('damaged')
  expect(await store.catalog.keeping.damage()).toEqual([])
})

test('a store that is not mounted has lost nothing', async () => {
  const pack = p.random(100)
  await node.put(pack)
  await rm(`${store.root}/packs`, { recursive: true })
  await expect(store.packs.check(idOf(pack), 100)).rejects.toMatchObject({ code: 'store-failed' })
})
