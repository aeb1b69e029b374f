/** Captures that are cut, asked for twice, or meet a hub that has lost something. */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  OcmError,
  createVault,
  decodeRoot,
  grantFor,
  openGrant,
  openerByGrants,
  packsFor,
  readManifest,
  sealGrant,
  snapshotIdOf,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { capture, captureDelta } from './capture.ts'
import { classOf } from './testing/hub.ts'
import { SmallNode, newJob, noise } from './testing/node.ts'

let node: SmallNode
beforeEach(async () => {
  node = await SmallNode.create()
  node.fill()
})
afterEach(() => node.remove())

const captureFor = (job: string, more: Parameters<SmallNode['parts']>[0] = {}) =>
  capture(node.parts(more), { job, trigger: 'manual' })

const refused = (code: string) => expect.objectContaining({ code })
const cut = () => new OcmError('link-lost')
const nothing = () => undefined

test('a run that is cut at any pack is completed by the next, which sends what is missing and no more', async () => {
  // Several packs of one class, so that there is something to be cut between.
  for (let i = 0; i < 2; i++) writeFileSync(node.at(`ws/blob-${i}`), noise(17_000_000))
  await captureFor(newJob())
  const { puts: whole, bytesUp: wholeBytes } = node.hub
  expect(whole).toBeGreaterThanOrEqual(5)

  for (let at = 0; at < whole; at++) {
    node.forget()
    const { hub } = node
    const job = newJob()
    hub.beforePut = (puts) => {
      if (puts >= at) throw cut()
    }
    await expect(captureFor(job)).rejects.toEqual(refused('link-lost'))
    expect(hub.headers.length).toBe(0)
    const kept = [...hub.packs].filter(([, bytes]) => ['state', 'bulk'].includes(classOf(bytes)))
    hub.beforePut = nothing

    await captureFor(job)
    expect(await node.differences()).toEqual([])
    // Secrets are sent again, and the pages, which name their packs.
    expect(hub.bytesUp - wholeBytes).toBeLessThan(100_000)
    const referred = new Set(hub.newest.packs.map(({ id }) => id))
    expect(kept.filter(([id]) => !referred.has(id))).toEqual([])
  }
}, 240_000)

test('keys of a run are nowhere on the disk of the node', async () => {
  const { hub } = node
  hub.beforePut = (puts) => {
    if (puts === 3) throw cut()
  }
  await expect(captureFor(newJob())).rejects.toEqual(refused('link-lost'))
  const files = readdirSync(node.agentState, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
  expect(files.length).toBeGreaterThan(0)
  expect(hub.packs.size).toBe(3)

  hub.beforePut = nothing
  const delta = await captureDelta(node.parts(), { job: newJob(), base: 'ff'.repeat(32) })
  for (const file of readdirSync(node.agentState)) {
    const bytes = readFileSync(join(node.agentState, file))
    for (const [, key] of delta.packKeys) expect(bytes.includes(Buffer.from(key))).toBe(false)
  }
  expect(readdirSync(node.agentState).toSorted()).toEqual([
    'chain',
    'examined',
    'identity',
    'index',
    'stat-cache',
  ])
})

test('secrets are not in the index', async () => {
  await captureFor(newJob())
  const secret = node.hub.newest.packs.filter((pack) => pack.class === 'secret')
  const others = node.hub.newest.packs.filter((pack) => ['state', 'bulk'].includes(pack.class))
  const index = readFileSync(join(node.agentState, 'index'))
  expect(secret.length).toBe(1)
  expect(secret.some(({ id }) => index.includes(id))).toBe(false)
  expect(others.every(({ id }) => index.includes(id))).toBe(true)
})

test('a damaged index means that everything is stored again, and nothing else', async () => {
  await captureFor(newJob())
  const first = node.hub.newest.metrics.newBytes
  const path = join(node.agentState, 'index')
  const index = readFileSync(path)
  index[index.length >> 1] = (index[index.length >> 1] as number) ^ 1
  writeFileSync(path, index)
  await captureFor(newJob())
  expect(node.hub.newest.metrics.newBytes).toBeGreaterThanOrEqual(first - 1000)
  expect(await node.differences()).toEqual([])
})

test('a pack that the hub has lost is stored again', async () => {
  const { hub } = node
  await captureFor(newJob())
  const lost = hub.newest.packs.find((pack) => pack.class === 'state')?.id as string
  hub.packs.delete(lost)
  await captureFor(newJob())
  expect(hub.newest.metrics.newBytes).toBeGreaterThan(3_000_000)
  expect(hub.newest.packs.map(({ id }) => id)).not.toContain(lost)
  expect(await node.differences()).toEqual([])
})

test('a pack that is lost while the run goes on is stored again before the commit', async () => {
  const { hub } = node
  let commits = 0
  hub.beforeCommit = () => {
    const [lost] = hub.packs.keys()
    if (++commits === 1) hub.packs.delete(lost as string)
  }
  await captureFor(newJob())
  expect(commits).toBe(2)
  expect(hub.headers.length).toBe(1)
  expect(await node.differences()).toEqual([])
})

test('a hub that loses a pack each time is given up', async () => {
  const { hub } = node
  hub.beforeCommit = () => hub.packs.clear()
  await expect(captureFor(newJob())).rejects.toEqual(refused('pack-missing'))
})

test('a job makes one snapshot, however often it is asked for', async () => {
  const job = newJob()
  const first = await captureFor(job)
  expect(await captureFor(job)).toBe(first)
  expect(node.hub.headers.length).toBe(1)
})

test('a commit whose answer was lost is not made twice', async () => {
  const { hub } = node
  const job = newJob()
  hub.afterCommit = () => {
    throw cut()
  }
  await expect(captureFor(job)).rejects.toEqual(refused('link-lost'))
  hub.afterCommit = nothing
  const id = await captureFor(job)
  expect(hub.headers.length).toBe(1)
  expect(id).toBe(snapshotIdOf(p, hub.headers[0] as Uint8Array))
  await captureFor(newJob())
  expect(hub.newest).toMatchObject({ seq: 2, prev: id })
})

test('a node that has lost its chain takes up the one the hub has of it', async () => {
  await captureFor(newJob())
  rmSync(join(node.agentState, 'chain'))
  await captureFor(newJob())
  expect(node.hub.newest.seq).toBe(2)
})

test('a hub that has lost snapshots gets no others in their place', async () => {
  await captureFor(newJob())
  node.hub.headers.pop()
  await expect(captureFor(newJob())).rejects.toEqual(refused('snapshot-refused'))
})

test('a head that another node has signed is not taken up', async () => {
  await captureFor(newJob())
  rmSync(join(node.agentState, 'chain'))
  const identity = { ...node.identity, key: p.ed25519Pair() }
  await expect(captureFor(newJob(), { identity })).rejects.toEqual(refused('signature-invalid'))
})

test('a new epoch begins with everything: whoever held the old key reads none of it', async () => {
  await captureFor(newJob())
  const before = new Set(node.hub.packs.keys())
  const { record } = node.parts()
  const sealing = createVault(p).sealing.public
  await captureFor(newJob(), { record: { ...record, epoch: 2, sealing, serial: 2 } })
  expect(node.hub.newest.packs.some(({ id }) => before.has(id))).toBe(false)
})

test('a capture that is cancelled ends, and the next one is whole', async () => {
  const stop = new AbortController()
  node.hub.beforePut = () => stop.abort()
  const cancelled = captureFor(newJob(), { signal: stop.signal })
  await expect(cancelled).rejects.toEqual(refused('job-cancelled'))
  node.hub.beforePut = nothing
  await captureFor(newJob())
  expect(await node.differences()).toEqual([])
})

test('a delta opens with the keys of its base and its own, whatever was captured in between', async () => {
  const base = await captureFor(newJob())
  const basePacks = node.packs()
  writeFileSync(node.at('between'), noise(100_000))
  await captureFor(newJob())
  writeFileSync(node.at('last'), noise(50_000))
  const delta = await captureDelta(node.parts(), { job: newJob(), base })
  const { hub } = node
  expect(hub.newest.trigger).toBe('move')
  expect(delta.snapshot).toBe(snapshotIdOf(p, delta.header))
  expect(hub.newest.metrics.newBytes).toBeLessThan(400_000)

  const wanted = packsFor(basePacks.root, await readManifest(basePacks))
  const opener = { sealing: node.vault.sealing, node: node.id }
  const granted = grantFor(p, opener, basePacks.root, wanted, hub.packs)
  const jobKey = p.x25519Pair()
  const context = { job: newJob(), target: node.id, snapshot: delta.snapshot }
  const packs = delta.packKeys.map(([id, key]): [Uint8Array, Uint8Array] => [id, key])
  const sealed = sealGrant(p, jobKey.public, context, { packs, root: delta.root })
  const opened = openGrant(p, jobKey, context, sealed)
  expect(decodeRoot(opened.root)).toEqual(node.packs().root)
  expect(await node.differences(openerByGrants(granted, opened.packs))).toEqual([])
  await expect(node.differences(openerByGrants(granted))).rejects.toEqual(refused('seal-broken'))
})

test('a delta over a base that is no longer known is whole by itself', async () => {
  await captureFor(newJob())
  const delta = await captureDelta(node.parts(), { job: newJob(), base: 'ff'.repeat(32) })
  expect(await node.differences(openerByGrants(delta.packKeys))).toEqual([])
})
