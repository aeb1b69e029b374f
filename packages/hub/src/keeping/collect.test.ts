import { access, readdir, rm, writeFile } from 'node:fs/promises'
import { judgeRetention } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { idOf, bodyOf } from '../testing/agent.ts'
import { DAY, HOUR, type TestNode, TestStore } from '../testing/store.ts'
import { collect, repair } from './collect.ts'
import type { Judge } from './ports.ts'

let store: TestStore
let node: TestNode
beforeEach(async () => {
  store = await TestStore.open()
  node = await store.node()
})
afterEach(() => store.close())

/** The newest stays, all else goes. */
const judge: Judge = (snapshots) =>
  judgeRetention(snapshots, { policy: {}, lock: { days: 0, last: 1 }, now: store.at })

const prune = () => store.catalog.keeping.prune(judge, undefined, { now: store.now, actor: 'ada' })

const needs = () => ({
  keeping: store.catalog.keeping,
  snapshots: store.catalog.snapshots,
  packs: store.packs,
})
const collectNow = () => collect(needs(), store.at)

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
const headers = async () =>
  (await isThere(`${store.root}/packs/snapshots`)) ? readdir(`${store.root}/packs/snapshots`) : []

test('what was pruned goes when the grace is over: header and packs, but none that another snapshot uses', async () => {
  const [both, only, newer] = [p.random(100), p.random(200), p.random(300)]
  const first = await node.backUp([both, only])
  const second = await node.backUp([both, newer])
  await prune()
  expect(await collectNow()).toEqual({ tombstoned: 1, snapshots: 0, packs: 0 })

  store.at += 72 * HOUR - 1
  expect(await collectNow()).toEqual({ tombstoned: 0, snapshots: 0, packs: 0 })
  expect(await headers()).toHaveLength(2)
  store.at += 1
  expect(await collectNow()).toEqual({ tombstoned: 0, snapshots: 1, packs: 1 })

  expect(await isThere(store.pathOf(only))).toBe(false)
  expect(await isThere(store.pathOf(both))).toBe(true)
  expect(await isThere(store.pathOf(newer))).toBe(true)
  expect(await headers()).toEqual([second])
  expect(await store.catalog.snapshots.snapshot(first)).toBeUndefined()
  await expect(store.catalog.keeping.undo(first)).rejects.toMatchObject({ code: 'undo-too-late' })
})

test('a prune that was taken back leaves everything, however late it is collected', async () => {
  const only = p.random(100)
  const first = await node.backUp([only])
  await node.backUp([p.random(100)])
  await prune()
  await collectNow()
  store.at += 71 * HOUR
  await store.catalog.keeping.undo(first)
  store.at += 100 * DAY
  expect(await collectNow()).toEqual({ tombstoned: 0, snapshots: 0, packs: 0 })
  expect(await isThere(store.pathOf(only))).toBe(true)
  expect((await store.catalog.snapshots.snapshot(first))?.prunedAt).toBeNull()
})

test('packs of a run that was cut short go after the grace, unless the next one asks for them', async () => {
  const [asked, forgotten] = [p.random(100), p.random(100)]
  await node.put(asked)
  await node.put(forgotten)
  await collectNow()
  store.at += 50 * HOUR
  expect(await node.missing(asked)).toEqual([])
  await collectNow()
  store.at += 50 * HOUR
  expect(await collectNow()).toMatchObject({ packs: 1 })
  expect(await node.missing(asked, forgotten)).toEqual([idOf(forgotten)])
  expect(await isThere(store.pathOf(forgotten))).toBe(false)
})

test('a commit brings tombstoned packs back to life in its own transaction', async () => {
  const pack = p.random(100)
  await node.put(pack)
  await collectNow()
  store.at += 72 * HOUR
  await node.snapshot([pack])
  expect(await collectNow()).toMatchObject({ packs: 0 })
  expect(await isThere(store.pathOf(pack))).toBe(true)
})

test('a commit that comes while its pack is being deleted is refused with the list', async () => {
  const pack = p.random(100)
  await node.put(pack)
  await collectNow()
  store.at += 72 * HOUR
  const { keeping } = store.catalog
  expect(await keeping.beginDelete(store.at, 9)).toEqual([idOf(pack)])
  expect(await node.snapshot([pack])).toEqual([idOf(pack)])
  // Put at the same moment: its file may be the one that goes.
  expect(await node.put(pack)).toBe(false)
  await repair(needs())
  expect(await headers()).toEqual([])
  expect(await node.put(pack)).toBe(true)
  expect(await node.snapshot([pack])).toHaveLength(64)
})

test('nothing is deleted of a node at work', async () => {
  await node.put(p.random(100))
  const job = {
    id: '1'.repeat(32),
    kind: 'backup' as const,
    state: 'running' as const,
    node: node.id,
    source: null,
    snapshot: null,
    steps: [],
    error: null,
    createdAt: 0,
    startedAt: 1,
    endedAt: null,
    createdBy: 'ada',
    downtimeMs: null,
    inventoryEqual: null,
  }
  const stored = {
    job,
    trigger: 'manual' as const,
    cancelAsked: false,
    discardOwed: false,
    order: null,
    fenced: null,
    outcome: null,
    finalSnapshot: null,
    fencedAt: null,
  }
  await store.catalog.jobs.addJob(stored, null)
  expect(await collectNow()).toMatchObject({ tombstoned: 0 })
  await store.catalog.jobs.saveJob({ ...stored, job: { ...job, state: 'failed' } })
  expect(await collectNow()).toMatchObject({ tombstoned: 1 })
})

test('a file that two nodes have stored stays until neither needs it', async () => {
  const other = await store.node()
  const pack = p.random(100)
  await node.put(pack)
  await other.backUp([pack])
  await collectNow()
  store.at += 72 * HOUR
  await collectNow()
  expect(await node.missing(pack)).toEqual([idOf(pack)])
  expect(await isThere(store.pathOf(pack))).toBe(true)
  await other.backUp([p.random(10)])
  await prune()
  await collectNow()
  store.at += 72 * HOUR
  await collectNow()
  expect(await isThere(store.pathOf(pack))).toBe(false)
})

test('at a start the steps that a crash cut off are taken to their end', async () => {
  const pack = p.random(100)
  await node.backUp([pack])
  const second = await node.backUp([p.random(100)])
  await prune()
  await collectNow()
  store.at += 72 * HOUR
  const { keeping, snapshots } = store.catalog
  // Cut off behind each transaction, before the files were touched; and a commit behind the writing of its header.
  await keeping.collectSnapshots(store.at, 9)
  await keeping.beginDelete(store.at, 9)
  await snapshots.expectHeader('f'.repeat(64))
  await store.packs.keepHeader('f'.repeat(64), new Uint8Array(3))

  await repair(needs())
  expect(await headers()).toEqual([second])
  expect(await isThere(store.pathOf(pack))).toBe(false)
  expect(await keeping.beingDeleted()).toEqual([])
  expect(await snapshots.looseHeaders()).toEqual([])
})

test('a header stays whose commit was answered, although it was expected', async () => {
  const id = await node.backUp([p.random(10)])
  await repair(needs())
  expect(await headers()).toEqual([id])
})

test('what is gone behind the back of the hub is refused, written down, and whole when it is put again', async () => {
  const pack = p.random(100)
  await node.backUp([pack])
  await rm(store.pathOf(pack))
  expect(await node.snapshot([pack])).toEqual([idOf(pack)])
  expect(await store.catalog.keeping.damage()).toMatchObject([
    { pack: idOf(pack), kind: 'missing' },
  ])
  await node.put(pack)
  expect(await store.catalog.keeping.damage()).toEqual([])
})

test('a pack that rotted is written anew when it is put again', async () => {
  const pack = p.random(100)
  await node.put(pack)
  await writeFile(store.pathOf(pack), p.random(100))
  expect(await store.packs.check(idOf(pack), 100)).toBe('damaged')
  await store.packs.put(idOf(pack), 100, bodyOf(pack))
  expect(await store.packs.check(idOf(pack), 100)).toBe('whole')
})
