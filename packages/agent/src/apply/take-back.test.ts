import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import {
  Abort,
  Description,
  OcmError,
  type SnapshotHeader,
  hex,
  openFacts,
  readStatement,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { undoUnder } from '../../../../tests/support/rig/operator.ts'
import { B, keys, vault, vaultRecord } from '../../../../tests/support/rig/vault.ts'
import { ELSEWHERE, JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { treeOf } from '../../../../tests/support/rig/trees.ts'
import { dependenciesFor } from '../openclaw/dependencies.ts'
import { createApply } from './apply.ts'
import { takenOver } from './continues.ts'

const UNDO = '1d'.repeat(16)
const me = { id: B, key: keys.b }

let stand: Stand
let before: readonly string[] = []
beforeEach(async () => {
  stand = await Stand.open(createApply)
  before = stand.live
})
afterEach(() => stand.close())

const stateOf = () => stand.manager.stateOf(stand.place.home)
const describeIt = () => stand.apply.describe(vaultRecord())
type Wish = Parameters<typeof undoUnder>[1]

async function statement(undoes: Uint8Array, more: Partial<Wish> = {}): Promise<Uint8Array> {
  return undoUnder(await describeIt(), { job: UNDO, target: me, undoes, ...more })
}
const undo = (order: Uint8Array, job = UNDO) =>
  stand.apply.undo({ job, order, record: vaultRecord() })

async function applied(more: Parameters<Stand['order']>[0] = {}): Promise<Uint8Array> {
  const order = await stand.order(more)
  const job = more.job ?? JOB
  await stand.stage(order, { job })
  expect(await stand.activate(job)).toMatchObject({ spoke: true })
  return order
}

async function lastApply() {
  const said = readStatement(p, 'description', Description, await describeIt(), [keys.b.public])
  return openFacts(p, vault.sealing, said).lastApply
}

test('the last apply is taken back: the exact old tree, and the gateway that ran runs', async () => {
  const order = await applied()
  const fresh = stand.live
  expect(fresh).not.toEqual(before)
  expect(await lastApply()).toMatchObject({ kind: 'clone', order: hex(p.sha256(order)) })
  writeFileSync(`${stand.place.home}/work/since.md`, 'written since the apply')

  expect(await undo(await statement(order))).toEqual({ abort: new Uint8Array(0) })
  expect(stand.live).toEqual(before)
  expect(stateOf()).toEqual({ running: true, masked: false })
  const last = stand.manager.starts.at(-1)
  expect(last?.config).toContain('job-old')
  // What was written since is not lost with it: it lies aside until the next apply.
  expect(stand.leftovers.join('\n')).toContain('since.md')
  await applied({ job: '1c'.repeat(16) })
  expect(stand.leftovers.join('\n')).not.toContain('since.md')
})

test('an agent that goes for good takes along what was kept for going back, and nothing that is live', async () => {
  await applied()
  const fresh = stand.live
  expect(stand.leftovers).not.toEqual([])
  expect(await stand.apply.leave()).toEqual({ kept: 0 })
  expect(stand.leftovers).toEqual([])
  expect(stand.live).toEqual(fresh)
  expect(stateOf()).toEqual({ running: true, masked: false })
})

test('it takes along what an undo has put aside, and what is only staged', async () => {
  const order = await applied()
  await undo(await statement(order))
  await stand.stage(await stand.order({ job: '1c'.repeat(16) }), { job: '1c'.repeat(16) })
  expect(stand.leftovers).not.toEqual([])
  expect(await stand.apply.leave()).toEqual({ kept: 0 })
  expect(stand.leftovers).toEqual([])
  expect(stand.live).toEqual(before)
})

test('what a package manager has put beside a plugin goes on with it, and comes back with an undo', async () => {
  const { home } = stand.place
  const modules = `${home}/app/extensions/demo/node_modules/dependency`
  const declared = JSON.stringify({ name: 'demo', version: '1.0.0' })
  mkdirSync(modules, { recursive: true })
  writeFileSync(`${modules}/index.js`, 'export {}')
  writeFileSync(`${home}/app/extensions/demo/package.json`, declared)
  const old = stand.live
  const tree = treeOf(ELSEWHERE, 'new', {
    'state:extensions': null,
    'state:extensions/demo': null,
    'state:extensions/demo/package.json': declared,
  })
  const omissions = [
    { root: 'state', path: utf8('extensions/demo/node_modules'), why: 'regenerable' as const },
  ]
  stand.arrange(stand.take(tree, { omissions }))
  Object.assign(stand.installation, {
    regenerableInside: async (live: string, fresh: string) => dependenciesFor(live, fresh),
  })
  const order = await applied()
  expect(existsSync(`${modules}/index.js`)).toBe(true)
  expect(stand.hub.logs.join()).toContain('without their dependencies: demo')
  await undo(await statement(order))
  expect(stand.live).toEqual(old)
})

test('it is taken back once, answers the same when asked again, and nothing is left to undo', async () => {
  const order = await applied()
  const first = await statement(order)
  const done = await undo(first)
  expect(await lastApply()).toBeUndefined()
  expect(await undo(first)).toEqual(done)
  stand.restart()
  await stand.apply.recover()
  expect(await undo(first)).toEqual(done)
  const again = '1e'.repeat(16)
  await expect(undo(await statement(order, { job: again }), again)).rejects.toMatchObject({
    code: 'undo-refused',
    facts: { why: 'undone' },
  })
  expect(stand.live).toEqual(before)
})

test('what another apply has replaced is not taken back, and the other one is', async () => {
  const first = await applied()
  const middle = stand.live
  const second = await applied({ job: '1c'.repeat(16) })
  await expect(undo(await statement(first))).rejects.toMatchObject({
    facts: { why: 'another-apply' },
  })
  await undo(await statement(second))
  expect(stand.live).toEqual(middle)
})

test('an undo of nobody, of another node, on an old offer or of nothing changes nothing', async () => {
  const nothing = await statement(new Uint8Array(1))
  await expect(undo(nothing)).rejects.toMatchObject({ code: 'undo-refused' })
  const order = await applied()
  const fresh = stand.live
  const refusals = [
    [{ signer: keys.stranger }, { code: 'signature-invalid' }],
    [{ says: { node: 'a'.repeat(32) } }, { code: 'node-unconfirmed' }],
    [{ says: { node: '0a'.repeat(16) } }, { facts: { why: 'another-node' } }],
    [{ says: { job: JOB } }, { facts: { why: 'job' } }],
    [{ says: { nonce: p.random(32) } }, { facts: { why: 'stale' } }],
    [{ says: { minRecord: 8 } }, { code: 'vault-record-stale' }],
  ] as const
  for (const [more, why] of refusals) {
    await expect(undo(await statement(order, more))).rejects.toMatchObject(why)
  }
  const old = await statement(order)
  await describeIt()
  await expect(undo(old)).rejects.toMatchObject({ facts: { why: 'stale' } })
  expect(stand.live).toEqual(fresh)
})

test('when somebody has removed the old tree to free the disk, it is refused before anything happens', async () => {
  const order = await applied()
  const fresh = stand.live
  rmSync(`${stand.place.home}/work.ocm-before-${JOB}`, { recursive: true })
  const starts = stand.manager.starts.length
  await expect(undo(await statement(order))).rejects.toMatchObject({ facts: { why: 'copy-gone' } })
  expect([stand.live, stand.manager.starts.length]).toEqual([fresh, starts])
})

test('a gateway that does not stop leaves what was applied running, and the next undo goes through', async () => {
  const order = await applied()
  const fresh = stand.live
  const stuck = new OcmError('gateway-will-not-stop')
  const gateway = await stand.installation.gateway()
  const { stop } = gateway
  Object.assign(gateway, { stop: () => Promise.reject(stuck) })
  const one = await statement(order)
  await expect(undo(one)).rejects.toMatchObject({ code: 'gateway-will-not-stop' })
  Object.assign(gateway, { stop })
  expect(stand.live).toEqual(fresh)
  expect(stateOf()).toEqual({ running: true, masked: false })
  await expect(undo(one)).rejects.toMatchObject({ code: 'gateway-will-not-stop' })
  const job = '1e'.repeat(16)
  await undo(await statement(order, { job }), job)
  expect(stand.live).toEqual(before)
})

test('the old tree is back although its gateway cannot be started any more', async () => {
  const order = await applied()
  stand.installation.fail.set('start', new OcmError('openclaw-missing'))
  await undo(await statement(order))
  expect(stand.live).toEqual(before)
  expect(stand.hub.phases).toContain('finished')
})

test('a staged order gives way to an undo that takes place', async () => {
  const order = await applied()
  const job = '1c'.repeat(16)
  await stand.stage(await stand.order({ job }), { job })
  await undo(await statement(order))
  expect(await stand.activate(job)).toMatchObject({ spoke: false, code: 'job-cancelled' })
  expect(stand.live).toEqual(before)
})

test('of a move it ends in an ABORT under its order, and what it took over is taken over no more', async () => {
  const order = await applied({ kind: 'move', order: { unfenced: true } })
  const now: SnapshotHeader['continues'] | null = await takenOver(stand.place.agent)
  expect(now).toEqual({ node: '0a'.repeat(16), snapshot: stand.snapshot.id })
  const { abort } = await undo(await statement(order))
  const said = readStatement(p, 'abort', Abort, abort, [keys.b.public])
  expect(said).toMatchObject({ order: hex(p.sha256(order)), fenced: null, why: 'undone' })
  expect(stand.live).toEqual(before)
  expect(await takenOver(stand.place.agent)).toBeNull()
  // Asked for its word again it is that one.
  expect((await stand.activate()).outcome).toEqual(abort)
})

test('a node that was moved away since is not changed behind the back of where it went', async () => {
  const order = await applied()
  expect(existsSync(`${stand.place.home}/app`)).toBe(true)
  const job = '1e'.repeat(16)
  const fencing = stand.apply.fence({
    job,
    order: await stand.order({
      job,
      kind: 'move',
      fenceEpoch: 1,
      order: { unfenced: true, source: B, target: '0a'.repeat(16) },
    }),
    record: vaultRecord(),
  })
  // Nothing can be captured here: it is fenced all the same.
  expect((await fencing).fenced.length).toBeGreaterThan(0)
  await expect(undo(await statement(order))).rejects.toMatchObject({ code: 'source-fenced' })
})

test('an undo whose ABORT may be lost is answered with it again, under another statement too', async () => {
  const order = await applied({ kind: 'move', order: { unfenced: true } })
  const { abort } = await undo(await statement(order))
  const starts = stand.manager.starts.length
  expect(await lastApply()).toMatchObject({ order: hex(p.sha256(order)) })
  const job = '1e'.repeat(16)
  expect(await undo(await statement(order, { job }), job)).toEqual({ abort })
  expect([stand.live, stand.manager.starts.length]).toEqual([before, starts])
})

test('an undo that could go neither on nor back is gone on with by the next one', async () => {
  const order = await applied({ kind: 'move', order: { unfenced: true } })
  const inTheWay = `${stand.place.agent}/continues`
  rmSync(inTheWay)
  mkdirSync(inTheWay)
  await expect(undo(await statement(order))).rejects.toThrow(/directory/i)
  expect(stateOf().running).toBe(false)
  rmSync(inTheWay, { recursive: true })
  const job = '1e'.repeat(16)
  expect(await lastApply()).toMatchObject({ order: hex(p.sha256(order)) })
  await undo(await statement(order, { job }), job)
  expect(stand.live).toEqual(before)
  expect(stateOf()).toEqual({ running: true, masked: false })
})

test('a gateway that is started while the trees change places does not outlive them', async () => {
  const order = await applied({ kind: 'move', order: { unfenced: true } })
  const gateway = await stand.installation.gateway()
  const { isRunning, mask } = gateway
  let isMasked = false
  let asked = 0
  Object.assign(gateway, {
    mask: async () => {
      await mask()
      isMasked = true
    },
    // By something that heeds no mask, just when it was found gone for the last time.
    isRunning: async () => {
      const is = await isRunning()
      if (isMasked && !is && ++asked === 2) {
        await gateway.unmask()
        await stand.manager.start(stand.place.home, stand.place.port)
      }
      return is
    },
  })
  await undo(await statement(order))
  expect(stand.live).toEqual(before)
  expect(stand.manager.starts.at(-1)?.config).toContain('job-old')
})
