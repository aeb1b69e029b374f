/** Sources that were attested to be off, and targets that were. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { Description, Fenced, OcmError, type TargetOff, hex } from '@ocm/protocol'
import { makeStatement, readStatement } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { partsOf } from '../../../../tests/support/rig/agent.ts'
import { type RigInstallation, installationAt } from '../../../../tests/support/rig/node.ts'
import { undoUnder } from '../../../../tests/support/rig/operator.ts'
import { type Snapshot, deltaOf, snapshotOf } from '../../../../tests/support/rig/snapshots.ts'
import { JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { type Place, digestOf, layDown, treeOf } from '../../../../tests/support/rig/trees.ts'
import { A, B, OPERATOR, keys, vault, vaultRecord } from '../../../../tests/support/rig/vault.ts'
import { type Apply, createApply } from './apply.ts'

let stand: Stand
let a: Place
let source: Apply
let installation: RigInstallation
let final: Snapshot
let failCapture: Error | undefined

beforeEach(async () => {
  stand = await Stand.open(createApply)
  a = await stand.placeAt('a')
  const tree = treeOf(a, 'new')
  layDown(a, tree)
  await stand.manager.start(a.home, a.port)
  const of = { node: A, key: keys.a }
  stand.arrange(snapshotOf(a, tree, of))
  final = snapshotOf(
    a,
    { ...tree, 'workspace:main:late.md': 'late' },
    { ...of, base: stand.snapshot },
  )
  installation = installationAt(a)
  failCapture = undefined
  restartSource()
})
afterEach(() => stand.close())

function restartSource(): void {
  source = createApply(
    partsOf(a, { id: A, key: keys.a }, installation, stand.hub, async () => {
      if (failCapture) throw failCapture
      return deltaOf(final)
    }),
  )
}

const stateOf = (place: Place) => stand.manager.stateOf(place.home)
const move = (more: object = {}) =>
  stand.order({ kind: 'move', fenceEpoch: 1, order: { unfenced: true, ...more } })
const fence = (order: Uint8Array) => source.fence({ job: JOB, order, record: vaultRecord() })
const isFenced = () =>
  existsSync(`${a.home}/app.ocm-fenced.json`) &&
  !existsSync(`${a.home}/app`) &&
  !stateOf(a).running &&
  stateOf(a).masked

async function moved(): Promise<Uint8Array> {
  const order = await move()
  await stand.stage(order)
  expect(await stand.activate()).toMatchObject({ spoke: true })
  return order
}

test('a target goes on without FENCED only when its order says that the source is off', async () => {
  await stand.stage(await stand.order({ kind: 'move', fenceEpoch: 1 }))
  await expect(stand.activate()).rejects.toMatchObject({ code: 'malformed' })
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

test('a source that comes back after its target spoke is fenced, and its last changes are captured', async () => {
  const order = await moved()
  const before = digestOf(`${a.home}/app`)
  const { fenced } = await fence(order)
  expect(isFenced()).toBe(true)
  expect(digestOf(`${a.home}/app.ocm-fenced-1-${JOB}`)).toEqual(before)
  const said = readStatement(p, 'fenced', Fenced, fenced, [keys.a.public])
  expect(said).toMatchObject({ snapshot: final.id, order: hex(p.sha256(order)) })
  restartSource()
  await source.recover()
  expect((await fence(order)).fenced).toEqual(fenced)
})

test('what cannot be captured does not keep it from being fenced, and lies in what is put aside', async () => {
  const order = await moved()
  writeFileSync(`${a.home}/app/since.txt`, 'said since')
  failCapture = new OcmError('openclaw-missing')
  const { fenced } = await fence(order)
  expect(isFenced()).toBe(true)
  const said = readStatement(p, 'fenced', Fenced, fenced, [keys.a.public])
  expect(said.snapshot).toBe(stand.snapshot.id)
  expect(readFileSync(`${a.home}/app.ocm-fenced-1-${JOB}/since.txt`, 'utf8')).toBe('said since')
})

test('a link that is lost in between does not start it again, nor does a restart of its agent', async () => {
  const order = await moved()
  failCapture = new OcmError('link-lost')
  await expect(fence(order)).rejects.toMatchObject({ code: 'link-lost' })
  expect(stateOf(a)).toEqual({ running: false, masked: true })
  restartSource()
  await source.recover()
  expect(stateOf(a)).toEqual({ running: false, masked: true })
  await expect(source.checkAtRest()).rejects.toMatchObject({ code: 'node-busy' })
  failCapture = undefined
  await fence(order)
  expect(isFenced()).toBe(true)
})

test('half fenced it is let go by the ABORT of the undone target alone', async () => {
  const order = await moved()
  failCapture = new OcmError('link-lost')
  await expect(fence(order)).rejects.toMatchObject({ code: 'link-lost' })
  const release = (abort: Uint8Array) => source.release({ job: JOB, order, abort })
  const spoke = (await stand.activate()).outcome
  await expect(release(spoke)).rejects.toMatchObject({ code: 'signature-invalid' })
  expect(stateOf(a).running).toBe(false)

  const job = '1d'.repeat(16)
  const described = await stand.apply.describe(vaultRecord())
  const wish = { job, target: { id: B, key: keys.b }, undoes: order }
  const { abort } = await stand.apply.undo({
    job,
    order: undoUnder(described, wish),
    record: vaultRecord(),
  })
  await release(abort)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  // It is over: nobody fences it under that order any more.
  await expect(fence(order)).rejects.toMatchObject({ facts: { why: 'used' } })
})

test('fenced in between it is let go by an ABORT that knows nothing of its FENCED', async () => {
  const before = digestOf(a.home)
  const order = await move()
  await stand.stage(order)
  await fence(order)
  stand.installation.fail.set('start', new OcmError('openclaw-unhealthy'))
  const { outcome, spoke } = await stand.activate()
  expect(spoke).toBe(false)
  // Somebody waits for it: it is soon back after a lost link.
  expect(await source.isPressing()).toBe(true)
  await source.release({ job: JOB, order, abort: outcome })
  expect(await source.isPressing()).toBe(false)
  expect(digestOf(a.home)).toEqual(before)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
})

const abortOf = (order: Uint8Array) => {
  const body = { v: 1, order: hex(p.sha256(order)), fenced: null, node: B, why: 'undone' }
  return makeStatement(p, 'abort', body, keys.b)
}
/** Which order the tombstone names. */
const successor = () =>
  (JSON.parse(readFileSync(`${a.home}/app.ocm-fenced.json`, 'utf8')) as { order: string }).order

describe('fenced under two orders, because two targets may speak', () => {
  const other = '0d'.repeat(16)
  let orders: readonly [Uint8Array, Uint8Array]
  let aborts: readonly [Uint8Array, Uint8Array]
  let before: readonly string[]

  const release = (n: 0 | 1) =>
    source.release({ job: n === 0 ? JOB : other, order: orders[n], abort: aborts[n] })
  beforeEach(async () => {
    before = digestOf(a.home)
    const first = await stand.order({ kind: 'move', fenceEpoch: 1 })
    const unfenced = { kind: 'move', fenceEpoch: 2, order: { unfenced: true } } as const
    const second = await stand.order({ ...unfenced, job: other })
    orders = [first, second]
    aborts = [abortOf(first), abortOf(second)]
    await fence(first)
  })
  const fenceToo = () => source.fence({ job: other, order: orders[1], record: vaultRecord() })

  test('it says FENCED to each, and the same again', async () => {
    const { fenced } = await fenceToo()
    const said = readStatement(p, 'fenced', Fenced, fenced, [keys.a.public])
    expect(said).toMatchObject({ snapshot: stand.snapshot.id, fenceEpoch: 2 })
    restartSource()
    await source.recover()
    expect((await fenceToo()).fenced).toEqual(fenced)
    expect(isFenced()).toBe(true)
  })

  test.each([
    [0, 1],
    [1, 0],
  ] as const)(
    'it runs again when order %i and then order %i are over, not before',
    async (...n) => {
      await fenceToo()
      await release(n[0])
      restartSource()
      await source.recover()
      expect(isFenced()).toBe(true)
      expect(successor()).toBe(hex(p.sha256(orders[n[1]])))
      await release(n[1])
      expect(digestOf(a.home)).toEqual(before)
      expect(stateOf(a)).toEqual({ running: true, masked: false })
    },
  )

  test('a second order that does not say that it is off has nothing to fence', async () => {
    const job = '0f'.repeat(16)
    const order = await stand.order({ kind: 'move', fenceEpoch: 3, job })
    await expect(source.fence({ job, order, record: vaultRecord() })).rejects.toMatchObject({
      code: 'source-fenced',
    })
  })
})

async function letGo(order: Uint8Array, change: Partial<TargetOff> = {}, signer = keys.operator) {
  const described = await source.describe(vaultRecord())
  const { nonce } = readStatement(p, 'description', Description, described, [keys.a.public])
  const job = '1f'.repeat(16)
  const body: TargetOff = {
    v: 1,
    vault: vault.id,
    operator: OPERATOR,
    minRecord: 7,
    job,
    node: A,
    target: B,
    order: hex(p.sha256(order)),
    fenceEpoch: 1,
    nonce,
    at: 0,
    ...change,
  }
  const statement = makeStatement(p, 'target-off', body, signer)
  const say = () => source.letGo({ job, order: statement, record: vaultRecord() })
  await say()
  return say
}

test('a fenced source runs again when an operator signs that its target is off, for that very fence', async () => {
  const before = digestOf(a.home)
  const order = await stand.order({ kind: 'move', fenceEpoch: 1 })
  await stand.stage(order)
  await fence(order)
  for (const signer of [keys.stranger, keys.b]) {
    await expect(letGo(order, {}, signer)).rejects.toMatchObject({ code: 'signature-invalid' })
  }
  for (const change of [
    { fenceEpoch: 2 },
    { target: A },
    { order: '00'.repeat(32) },
    { node: B },
    { nonce: p.random(32) },
  ]) {
    await expect(letGo(order, change)).rejects.toMatchObject({ code: 'order-invalid' })
  }
  expect(isFenced()).toBe(true)
  const again = await letGo(order)
  expect(digestOf(a.home)).toEqual(before)
  expect(stateOf(a)).toEqual({ running: true, masked: false })
  await again()
  const files = path.join(a.agent, 'journal', JOB, 'source.json')
  expect(JSON.parse(readFileSync(files, 'utf8'))).toMatchObject({
    state: 'released',
    gateway: null,
  })
})

test('of jobs that are over the journal keeps the newest few, and the one that can be undone', async () => {
  const first = await stand.order({ job: 'f0'.repeat(16) })
  await stand.stage(first, { job: 'f0'.repeat(16) })
  await stand.activate('f0'.repeat(16))
  for (let n = 0; n < 20; n++) {
    const job = n.toString(16).padStart(2, '0').repeat(16)
    await stand.stage(await stand.order({ job }), { job })
    await stand.apply.discard(job)
  }
  await stand.apply.recover()
  await stand.apply.tidied()
  const kept = await readdir(path.join(stand.place.agent, 'journal'))
  expect(kept).toHaveLength(17)
  expect(kept).toContain('f0'.repeat(16))
  expect(kept).toContain('13'.repeat(16))
  expect(kept).not.toContain('00'.repeat(16))
})
