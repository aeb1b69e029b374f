import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import {
  Abort,
  Description,
  Fenced,
  OcmError,
  hex,
  makeStatement,
  openFacts,
  readStatement,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NOTHING, partsOf, stageBy } from '../../../../tests/support/rig/agent.ts'
import { type RigInstallation, installationAt } from '../../../../tests/support/rig/node.ts'
import { type Wish, orderUnder, undoUnder } from '../../../../tests/support/rig/operator.ts'
import { type Snapshot, deltaOf, snapshotOf } from '../../../../tests/support/rig/snapshots.ts'
import { ELSEWHERE, JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { type Place, digestOf, layDown, treeOf } from '../../../../tests/support/rig/trees.ts'
import { A, B, keys, vault, vaultRecord } from '../../../../tests/support/rig/vault.ts'
import { type Apply, createApply } from './apply.ts'

/** The target, and beside it the source with an agent of its own. */
let stand: Stand
let a: Place
let source: Apply
let installation: RigInstallation
let final: Snapshot
let captures = 0
let failCapture: Error | undefined
let wakeUp: (() => Promise<unknown>) | undefined

const LARGE = 3 * 1024 * 1024

beforeEach(async () => {
  stand = await Stand.open(createApply)
  a = await stand.placeAt('a')
  const tree = treeOf(a, 'new', { 'workspace:main:large.bin': p.random(LARGE) })
  layDown(a, tree)
  await stand.manager.start(a.home, a.port)
  const of = { node: A, key: keys.a }
  stand.arrange(snapshotOf(a, tree, of))
  final = snapshotOf(
    a,
    { ...tree, 'workspace:main:late.md': 'written after the base', 'workspace:main:notes.md': 'x' },
    { ...of, base: stand.snapshot },
  )
  for (const [id, bytes] of final.packs) stand.hub.packs.set(id, bytes)
  installation = installationAt(a)
  captures = 0
  failCapture = undefined
  wakeUp = undefined
  restartSource()
})
afterEach(() => stand.close())

async function capture() {
  captures++
  if (failCapture) throw failCapture
  await wakeUp?.()
  return deltaOf(final)
}

function restartSource(): void {
  const me = { id: A, key: keys.a }
  source = createApply(partsOf(a, me, installation, stand.hub, capture))
}

const move = (more: Partial<Wish> = {}) => stand.order({ kind: 'move', fenceEpoch: 1, ...more })
const fence = async (order: Uint8Array, job = JOB) =>
  (await source.fence({ job, order, record: vaultRecord() })).fenced
const handOver = (fenced: Uint8Array) =>
  stand.apply.activate({ job: JOB, fenced, header: final.header })
const release = (order: Uint8Array, abort: Uint8Array) => source.release({ job: JOB, order, abort })

const stateOf = (place: Place) => stand.manager.stateOf(place.home)
async function obstacles() {
  const statement = await source.describe(vaultRecord())
  const said = readStatement(p, 'description', Description, statement, [keys.a.public])
  return openFacts(p, vault.sealing, said).obstacles
}

/** Where it runs as root without the right to. */
function canMount(): boolean {
  return spawnSync('unshare', ['--mount', 'true']).status === 0
}

const tombstone = () => `${a.home}/app.ocm-fenced.json`

test('a node is moved: the source is fenced, the target goes on with the last delta', async () => {
  const before = digestOf(`${a.home}/app`)
  const order = await move()
  await stand.stage(order)
  stand.hub.reads.length = 0
  const fenced = await fence(order)
  expect(stateOf(a)).toEqual({ running: false, masked: true })
  expect(existsSync(`${a.home}/app`)).toBe(false)
  expect(digestOf(`${a.home}/app.ocm-fenced-1-${JOB}`)).toEqual(before)
  const said = readStatement(p, 'fenced', Fenced, fenced, [keys.a.public])
  expect(JSON.parse(readFileSync(tombstone(), 'utf8'))).toMatchObject({
    order: hex(p.sha256(order)),
    fenceEpoch: 1,
    successor: '0b'.repeat(16),
  })
  expect(said).toMatchObject({ order: hex(p.sha256(order)), snapshot: final.id, fenceEpoch: 1 })

  const done = await handOver(fenced)
  expect(done).toMatchObject({ spoke: true, code: '', inventoryEqual: true })
  expect(stateOf(stand.place)).toEqual({ running: true, masked: false })
  const { home } = stand.place
  expect(readFileSync(`${home}/work/late.md`, 'utf8')).toBe('written after the base')
  expect(readFileSync(`${home}/work/only-new.txt`, 'utf8')).toBe('new')
  expect(JSON.parse(readFileSync(`${home}/app/config.json`, 'utf8'))).toMatchObject({ home })
  expect(stand.hub.phases).toContain('speaking')
  // What has not changed was still staged, and is not fetched again while nobody speaks.
  expect(stand.hub.reads.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(LARGE / 10)
  expect(await handOver(fenced)).toEqual(done)
})

test('a source that could not be stopped for good says so when it is asked, and refuses before anything stops', async () => {
  const before = digestOf(`${a.home}/app`)
  const gateway = await installation.gateway()
  Object.assign(installation, {
    gateway: async () => ({ ...gateway, obstacle: async () => 'gateway-ends-agent' }),
  })
  const order = await move()
  await stand.stage(order)
  await expect(fence(order)).rejects.toMatchObject({
    code: 'plan-blocked',
    facts: { why: 'gateway-ends-agent' },
  })
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  expect(digestOf(`${a.home}/app`)).toEqual(before)
  expect(existsSync(tombstone())).toBe(false)
})

test.runIf(process.getuid?.() === 0 && canMount())(
  'a state directory that is a mount point is told when the node is asked',
  async () => {
    expect(await obstacles()).toBeUndefined()
    execFileSync('mount', ['--bind', `${a.home}/app`, `${a.home}/app`])
    try {
      expect(await obstacles()).toEqual(['state-mount-point'])
    } finally {
      execFileSync('umount', [`${a.home}/app`])
    }
  },
)

test('an agent that goes for good leaves what was put aside for a move: its target alone knows whether it is needed', async () => {
  const order = await move()
  await stand.stage(order)
  await fence(order)
  const aside = `${a.home}/app.ocm-fenced-1-${JOB}`
  const before = digestOf(aside)
  expect(await source.leave()).toEqual({ kept: 1 })
  expect(digestOf(aside)).toEqual(before)
  expect(existsSync(tombstone())).toBe(true)
})

test('nor does it go in the middle of one', async () => {
  let leaving: Promise<unknown> | undefined
  const began = new Promise<void>((go) => {
    wakeUp = async () => {
      // Asked while the source stands still and has not said FENCED: behind what is at work, and then it is fenced.
      leaving = source.leave()
      go()
    }
  })
  const order = await move()
  await stand.stage(order)
  await Promise.all([began, fence(order)])
  expect(await leaving).toEqual({ kept: 1 })
})

test('an older tree that was fenced under the same number is not what a fence that fails brings back', async () => {
  // An agent that was joined anew counts from the beginning.
  mkdirSync(`${a.home}/app.ocm-fenced-1`)
  writeFileSync(`${a.home}/app.ocm-fenced-1/config.json`, 'old')
  const before = digestOf(`${a.home}/app`)
  failCapture = new OcmError('hub-unreachable')
  const order = await move()
  await stand.stage(order)
  await expect(fence(order)).rejects.toMatchObject({ code: 'hub-unreachable' })
  expect(digestOf(`${a.home}/app`)).toEqual(before)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

test('what was staged on a node before it is fenced never comes to life afterwards', async () => {
  const before = stand.live
  await stand.stage(await stand.order())
  const other = '0e'.repeat(16)
  const away = orderUnder(await source.describe(vaultRecord()), {
    job: other,
    kind: 'move',
    source: B,
    target: { id: A, key: keys.a },
    snapshot: stand.snapshot,
    fenceEpoch: 1,
  })
  // Whether the fence comes about is another matter: here nothing can be captured, and the node runs again.
  await expect(
    stand.apply.fence({ job: other, order: away, record: vaultRecord() }),
  ).rejects.toMatchObject({ code: 'internal' })
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'job-cancelled' })
  expect(stand.live).toEqual(before)
})

test('a gateway that comes back while the last changes are captured is not fenced over', async () => {
  const order = await move()
  await stand.stage(order)
  wakeUp = async () => {
    await fetch(`${stand.manager.url}/unmask?home=${encodeURIComponent(a.home)}`)
    await stand.manager.start(a.home, a.port)
  }
  await expect(fence(order)).rejects.toMatchObject({ code: 'gateway-will-not-stop' })
  expect(existsSync(tombstone())).toBe(false)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

test('a fenced source stays fenced, through a restart too, and answers the same FENCED', async () => {
  const order = await move()
  await stand.stage(order)
  const fenced = await fence(order)
  restartSource()
  await source.recover()
  expect(await fence(order)).toEqual(fenced)
  expect(captures).toBe(1)
  expect(stateOf(a)).toEqual({ running: false, masked: true })
  expect(existsSync(tombstone())).toBe(true)
})

test('a target that does not become healthy hands back, and the source runs again as it was', async () => {
  const beforeA = digestOf(a.home)
  const beforeB = stand.live
  const order = await move()
  await stand.stage(order)
  const fenced = await fence(order)
  stand.installation.fail.set('start', new OcmError('openclaw-unhealthy'))
  const done = await handOver(fenced)
  expect(done).toMatchObject({ spoke: false, code: 'openclaw-unhealthy' })
  const abort = readStatement(p, 'abort', Abort, done.outcome, [keys.b.public])
  expect(abort.fenced).toBe(hex(p.sha256(fenced)))
  expect(stand.live).toEqual(beforeB)
  expect(stand.leftovers).toEqual([])
  expect(stateOf(stand.place)).toEqual({ running: true, masked: false })
  expect(stateOf(a)).toEqual({ running: false, masked: true })

  await release(order, done.outcome)
  await release(order, done.outcome)
  expect(digestOf(a.home)).toEqual(beforeA)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  expect(await handOver(fenced)).toEqual(done)
})

test('after a restart of the target the delta cannot be opened any more: it aborts, the source goes on', async () => {
  const beforeB = stand.live
  const order = await move()
  await stand.stage(order)
  const fenced = await fence(order)
  stand.restart()
  await stand.apply.recover()
  const done = await handOver(fenced)
  expect(done).toMatchObject({ spoke: false, code: 'job-cut-off' })
  expect([stand.live, stand.leftovers]).toEqual([beforeB, []])
  await release(order, done.outcome)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

test('a link that is lost while the delta is fetched is waited for: nobody is released by it', async () => {
  const order = await move()
  await stand.stage(order)
  const fenced = await fence(order)
  stand.hub.failAt = { n: 0, error: new OcmError('link-lost') }
  await expect(handOver(fenced)).rejects.toMatchObject({ code: 'link-lost' })
  delete stand.hub.failAt
  expect(await handOver(fenced)).toMatchObject({ spoke: true })
})

test('an ABORT releases only when the target of that very order has signed it', async () => {
  const order = await move()
  await stand.stage(order)
  await fence(order)
  await stand.apply.discard(JOB)
  const { outcome } = await stand.activate()
  const body = readStatement(p, 'abort', Abort, outcome, [keys.b.public])
  const forged = [
    makeStatement(p, 'abort', body, keys.stranger),
    makeStatement(p, 'abort', body, keys.a),
    makeStatement(p, 'speak', { v: 1, order: body.order, fenced: null, node: body.node }, keys.b),
  ]
  for (const statement of forged) {
    await expect(release(order, statement)).rejects.toMatchObject({ code: 'signature-invalid' })
  }
  const others = [{ order: '00'.repeat(32) }, { fenced: '00'.repeat(32) }, { node: A }]
  for (const other of others) {
    const statement = makeStatement(p, 'abort', { ...body, ...other }, keys.b)
    await expect(release(order, statement)).rejects.toMatchObject({ code: 'order-invalid' })
  }
  expect(stateOf(a)).toEqual({ running: false, masked: true })
  await release(order, outcome)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

test('a FENCED that is not the source’s own, or of another order, is not believed', async () => {
  const order = await move()
  await stand.stage(order)
  const fenced = await fence(order)
  const body = readStatement(p, 'fenced', Fenced, fenced, [keys.a.public])
  const forged = makeStatement(p, 'fenced', body, keys.stranger)
  await expect(handOver(forged)).rejects.toMatchObject({ code: 'signature-invalid' })
  const other = makeStatement(p, 'fenced', { ...body, fenceEpoch: 2 }, keys.a)
  await expect(handOver(other)).rejects.toMatchObject({ code: 'order-invalid' })
  expect(await handOver(fenced)).toMatchObject({ spoke: true })
})

test('a source whose last capture fails runs again at once, and can be fenced when asked again', async () => {
  const before = digestOf(a.home)
  const order = await move()
  await stand.stage(order)
  failCapture = new OcmError('link-lost')
  await expect(fence(order)).rejects.toMatchObject({ code: 'link-lost' })
  expect(digestOf(a.home)).toEqual(before)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  failCapture = undefined
  const fenced = await fence(order)
  expect(await handOver(fenced)).toMatchObject({ spoke: true })
})

test('a fence needs an epoch above every one that was seen, and an order to this very source', async () => {
  const order = await move({ fenceEpoch: 5 })
  await stand.stage(order)
  const first = await fence(order)
  await stand.apply.discard(JOB)
  await release(order, (await stand.activate()).outcome)

  const job = '1c'.repeat(16)
  const stale = await move({ job, fenceEpoch: 5 })
  await expect(fence(stale, job)).rejects.toMatchObject({
    code: 'order-invalid',
    facts: { why: 'fence-epoch' },
  })
  const clone = await stand.order({ job })
  await expect(fence(clone, job)).rejects.toMatchObject({ facts: { why: 'kind' } })
  const toTarget = stand.apply.fence({
    job,
    order: await move({ job, fenceEpoch: 6 }),
    record: vaultRecord(),
  })
  await expect(toTarget).rejects.toMatchObject({ facts: { why: 'another-node' } })
  // Released is released: the first order does not fence again.
  await expect(fence(order)).rejects.toMatchObject({ facts: { why: 'used' } })
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  expect(first.length).toBeGreaterThan(0)
})

test('a fence that came to nothing before it was written down is had when it is asked for again', async () => {
  const order = await move({ fenceEpoch: 5 })
  await stand.stage(order)
  // As when the agent dies just before: nothing can be written where its draft would be.
  const draft = `${a.agent}/journal/${JOB}/source.json.tmp`
  mkdirSync(draft, { recursive: true })
  await expect(fence(order)).rejects.toThrow(/directory/i)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  rmSync(draft, { recursive: true })
  restartSource()
  expect(await handOver(await fence(order))).toMatchObject({ spoke: true })
})

test('of a fence that was written down the number is known, also when it was cut off behind that', async () => {
  const order = await move({ fenceEpoch: 5 })
  await stand.stage(order)
  mkdirSync(`${a.agent}/fence-epoch.tmp`, { recursive: true })
  await expect(fence(order)).rejects.toThrow(/directory/i)
  rmSync(`${a.agent}/fence-epoch.tmp`, { recursive: true })
  restartSource()
  await source.recover()
  const job = '1c'.repeat(16)
  const stale = await move({ job, fenceEpoch: 4 })
  await expect(fence(stale, job)).rejects.toMatchObject({ facts: { why: 'fence-epoch' } })
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

test('what somebody made in the place of the fenced state directory is moved aside, not lost', async () => {
  const order = await move()
  await stand.stage(order)
  const before = digestOf(`${a.home}/app`)
  await fence(order)
  mkdirSync(`${a.home}/app`)
  writeFileSync(`${a.home}/app/config.json`, '{}')
  await stand.apply.discard(JOB)
  await release(order, (await stand.activate()).outcome)
  expect(digestOf(`${a.home}/app`)).toEqual(before)
  expect(readFileSync(`${a.home}/app.ocm-stray-${JOB}/config.json`, 'utf8')).toBe('{}')
  // Nor with the agent.
  expect(await source.leave()).toEqual({ kept: 1 })
  expect(readFileSync(`${a.home}/app.ocm-stray-${JOB}/config.json`, 'utf8')).toBe('{}')
})

test('a node that was moved away comes back by a snapshot, and its fence is over', async () => {
  const order = await move()
  await stand.stage(order)
  const fenced = await fence(order)
  await handOver(fenced)

  const job = '1c'.repeat(16)
  const wish: Wish = {
    job,
    kind: 'restore',
    source: A,
    target: { id: A, key: keys.a },
    snapshot: final,
  }
  const both = { ...final, keys: [...stand.snapshot.keys, ...final.keys] }
  await stageBy(source, { ...wish, snapshot: both })
  const done = await source.activate({ job, fenced: NOTHING, header: NOTHING })
  expect(done).toMatchObject({ spoke: true })
  expect(existsSync(tombstone())).toBe(false)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  const late = stand.activate()
  await expect(release(order, (await late).outcome)).rejects.toMatchObject({
    facts: { why: 'superseded' },
  })
})

test('a node that came to life anew, was cut off at the very end and fails is fenced as before', async () => {
  const order = await move()
  await stand.stage(order)
  await handOver(await fence(order))
  const job = '1c'.repeat(16)
  const theirs = snapshotOf(ELSEWHERE, treeOf(ELSEWHERE, 'new'), { node: B, key: keys.b })
  for (const [id, bytes] of theirs.packs) stand.hub.packs.set(id, bytes)
  const target = { id: A, key: keys.a }
  await stageBy(source, { job, kind: 'clone', source: B, target, snapshot: theirs })
  const activate = () => source.activate({ job, fenced: NOTHING, header: NOTHING })
  const sourceState = () =>
    (JSON.parse(readFileSync(`${a.agent}/journal/${JOB}/source.json`, 'utf8')) as { state: string })
      .state

  // Between the end of the fence and the end of the job.
  const inTheWay = `${a.agent}/continues`
  const gateway = await installation.gateway()
  const { waitReady } = gateway
  const isReady: typeof waitReady = async (...asked) => {
    mkdirSync(inTheWay, { recursive: true })
    return waitReady(...asked)
  }
  Object.assign(gateway, { waitReady: isReady })
  await expect(activate()).rejects.toThrow(/directory/i)
  expect(sourceState()).toBe('superseded')
  rmSync(inTheWay, { recursive: true })
  Object.assign(gateway, { waitReady: async () => false })
  expect(await activate()).toMatchObject({ spoke: false, code: 'openclaw-unhealthy' })
  Object.assign(gateway, { waitReady })
  expect([sourceState(), existsSync(tombstone()), stateOf(a).running]).toEqual([
    'fenced',
    true,
    false,
  ])

  const undo = '1d'.repeat(16)
  const described = await stand.apply.describe(vaultRecord())
  const wish = { job: undo, target: { id: B, key: keys.b }, undoes: order }
  const { abort } = await stand.apply.undo({
    job: undo,
    order: undoUnder(described, wish),
    record: vaultRecord(),
  })
  await release(order, abort)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})
