/** From a snapshot to an order, and what its target and others can do with it. */
import {
  type KeyPair,
  Order,
  Packs,
  type TargetFacts,
  base64url,
  decodeRoot,
  fromBase64url,
  fleetKeyOf,
  fromUtf8,
  makeStatement,
  openChoices,
  openGrant,
  openerByGrants,
  planApply,
  readEntry,
  readManifest,
  readStatement,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { beforeEach, describe, expect, test } from 'vitest'
import { type PaperHub, hasty, paperHub } from '../paper/hub.ts'
import { type PaperNode, describeSelf, joinNode, takeSnapshot } from '../paper/node.ts'
import { describeNode } from '../snapshots/describe.ts'
import { newestSnapshot, openSnapshot } from '../snapshots/open.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { prepareSetup } from '../vault/setup.ts'
import { issueTicket } from '../vault/ticket.ts'
import { type Unlocked, openVault } from '../vault/unlock.ts'
import { carryOut } from './operation.ts'
import { signOrder } from './order.ts'
import { makePlan } from './plan.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'
const FILES = [
  { path: 'config', content: '{"port": 18789}', travel: 'always' },
  { path: 'device', content: 'the one identity', travel: 'identity' },
  { path: 'lock', content: 'pid 4711', travel: 'never' },
] as const

let hub: PaperHub
let unlocked: Unlocked
let alpha: PaperNode
let beta: PaperNode
let snapshot: string
let jobKey: KeyPair
let facts: TargetFacts

async function join(label: string): Promise<PaperNode> {
  const { join: text } = await issueTicket(hub.ports, unlocked, { label, ttlMs: 60_000 })
  return joinNode(p, hub, label, { join: text, statement: hub.tickets.at(-1) ?? '' })
}

beforeEach(async () => {
  hub = paperHub(p)
  const { request } = await prepareSetup(p, {
    name: 'olivia',
    password: 'login-of-olivia',
    passphrase: PASSPHRASE,
    hubKey: hub.vault.hubKey,
    now: 0,
  })
  hub.accept(request)
  unlocked = await openVault(hub.ports, PASSPHRASE)
  alpha = await join('alpha')
  beta = await join('beta')
  unlocked = (await confirmNodes(hub.ports, unlocked)).unlocked
  snapshot = takeSnapshot(p, hub, unlocked.record, alpha, FILES)
  ;({ jobKey, facts } = describeSelf(p, hub, unlocked.record, beta))
})

async function prepared(kind: 'move' | 'clone') {
  const source = await openSnapshot(hub.ports, unlocked, snapshot)
  const target = await describeNode(hub.ports, unlocked, beta.id)
  return makePlan(p, { source, target, kind })
}

/** As a target does, which has the record, the order, its own job key and what the hub stores. */
async function asTarget(statement: Uint8Array) {
  const operators = unlocked.record.operators.map(({ key }) => key)
  const order = readStatement(p, 'order', Order, statement, operators)
  const grant = openGrant(p, jobKey, order, order.grant)
  expect(grant.fleet).toEqual(fleetKeyOf(p, unlocked.vault))
  const packs = new Packs(
    p,
    decodeRoot(grant.root),
    async (id, offset, length) =>
      (hub.packs.get(id) ?? new Uint8Array()).slice(offset, offset + length),
    openerByGrants(grant.packs),
  )
  const manifest = await readManifest(packs)
  const read = async (path: string) => {
    const entry = manifest.entries.find((one) => fromUtf8(one.path) === path)
    if (entry === undefined) throw new Error(path)
    let text = ''
    for await (const part of readEntry(packs, entry)) text += fromUtf8(part)
    return text
  }
  return { order, manifest, read }
}

describe('an order', () => {
  test('of a move is above every fence that the source may have seen, and no lie of a hub raises it', async () => {
    const epochOf = async () => {
      const { statement } = await signOrder(hub.ports, unlocked, await prepared('move'))
      return { statement, epoch: (await asTarget(statement)).order.fenceEpoch }
    }
    const first = await epochOf()
    expect(first.epoch).toBe(1)
    hub.lastFence = { order: base64url(first.statement) }
    expect((await epochOf()).epoch).toBe(2)
    const body = readStatement(p, 'order', Order, first.statement, [unlocked.operator.key.public])
    const high = { ...body, fenceEpoch: 1_000_000 }
    hub.lastFence = { order: base64url(makeStatement(p, 'order', high, p.ed25519Pair())) }
    expect((await epochOf()).epoch).toBe(1)
    const elsewhere = { ...body, source: beta.id, fenceEpoch: 70 }
    const { key } = unlocked.operator
    hub.lastFence = { order: base64url(makeStatement(p, 'order', elsewhere, key)) }
    expect((await epochOf()).epoch).toBe(1)
    snapshot = takeSnapshot(p, hub, unlocked.record, alpha, FILES, 1, { fenceEpoch: 41 })
    expect((await epochOf()).epoch).toBe(42)
    // One that cannot refuse it now must not be able to when it comes back.
    const away = { ...(await prepared('move')), unfenced: true as const }
    const { order } = await asTarget((await signOrder(hub.ports, unlocked, away)).statement)
    expect(order.fenceEpoch).toBeGreaterThan(1000)
  })

  test('gives its target the plan that was approved and what goes along', async () => {
    const approved = await prepared('move')
    const { job, statement } = await signOrder(hub.ports, unlocked, approved)
    const { order, manifest, read } = await asTarget(statement)
    expect(order).toMatchObject({
      job,
      kind: 'move',
      source: alpha.id,
      target: beta.id,
      snapshot,
      minRecord: unlocked.record.serial,
      jobKey: jobKey.public,
    })
    const between = { source: order.source, target: order.target }
    expect(
      planApply(p, manifest, facts, openChoices(p, jobKey, order, order.choices), between).hash,
    ).toBe(order.plan)
    expect(await read('config')).toBe('{"port": 18789}')
    expect(await read('device')).toBe('the one identity')
    await expect(read('lock')).rejects.toMatchObject({ code: 'seal-broken' })
  })

  test('of a clone holds no key to an identity', async () => {
    const { statement } = await signOrder(hub.ports, unlocked, await prepared('clone'))
    const { read } = await asTarget(statement)
    expect(await read('config')).toBe('{"port": 18789}')
    await expect(read('device')).rejects.toMatchObject({ code: 'seal-broken' })
  })

  test('opens for nobody but the job it was made for', async () => {
    const { statement } = await signOrder(hub.ports, unlocked, await prepared('move'))
    const signers = unlocked.record.operators.map(({ key }) => key)
    const order = readStatement(p, 'order', Order, statement, signers)
    expect(() => openGrant(p, p.x25519Pair(), order, order.grant)).toThrow(
      expect.objectContaining({ code: 'seal-broken' }),
    )
    const other = { ...order, job: '0'.repeat(32) }
    expect(() => openGrant(p, jobKey, other, order.grant)).toThrow(
      expect.objectContaining({ code: 'seal-broken' }),
    )
  })

  test('is not signed for a plan with a blocker', async () => {
    describeSelf(p, hub, unlocked.record, beta, { freeBytes: { home: 1, state: 1 } })
    const blocked = await prepared('move')
    await expect(signOrder(hub.ports, unlocked, blocked)).rejects.toMatchObject({
      code: 'plan-blocked',
      facts: { why: 'disk-full' },
    })
  })

  test('is not signed for a node that was taken out of the record', async () => {
    const approved = await prepared('move')
    const record = { ...unlocked.record, nodes: unlocked.record.nodes.slice(0, 1) }
    await expect(signOrder(hub.ports, { ...unlocked, record }, approved)).rejects.toMatchObject({
      code: 'node-unconfirmed',
    })
  })

  test('is not signed over the header of another pack', async () => {
    const approved = await prepared('move')
    const [first, second] = [...hub.packs.keys()]
    hub.packs.set(first ?? '', hub.packs.get(second ?? '') ?? new Uint8Array())
    await expect(signOrder(hub.ports, unlocked, approved)).rejects.toMatchObject({
      code: 'pack-damaged',
    })
  })
})

describe('what the hub serves', () => {
  test('a description that the target did not sign is refused', async () => {
    describeSelf(p, hub, unlocked.record, { ...beta, identity: p.ed25519Pair() })
    await expect(describeNode(hub.ports, unlocked, beta.id)).rejects.toMatchObject({
      code: 'signature-invalid',
    })
  })

  test('the description of another node is refused', async () => {
    describeSelf(p, hub, unlocked.record, alpha)
    hub.descriptions.set(beta.id, hub.descriptions.get(alpha.id) ?? new Uint8Array())
    await expect(describeNode(hub.ports, unlocked, beta.id)).rejects.toMatchObject({
      code: 'signature-invalid',
    })
  })

  test('a snapshot that its node did not sign is refused, whatever key is shown beside it', async () => {
    const forger = { ...alpha, identity: p.ed25519Pair() }
    const forged = takeSnapshot(p, hub, unlocked.record, forger, FILES)
    await expect(openSnapshot(hub.ports, unlocked, forged)).rejects.toMatchObject({
      code: 'signature-invalid',
    })
  })

  test('an older snapshot than one already seen does not pass for the newest', async () => {
    takeSnapshot(p, hub, unlocked.record, alpha, FILES, 2)
    await newestSnapshot(hub.ports, unlocked, alpha.id)
    hub.snapshots.shift()
    await expect(newestSnapshot(hub.ports, unlocked, alpha.id)).rejects.toMatchObject({
      code: 'snapshot-refused',
    })
  })

  test('a damaged pack is found before anything is planned', async () => {
    for (const [id, bytes] of hub.packs) {
      const damaged = bytes.slice()
      damaged[bytes.length - 40] = (damaged[bytes.length - 40] as number) ^ 1
      hub.packs.set(id, damaged)
    }
    await expect(openSnapshot(hub.ports, unlocked, snapshot)).rejects.toMatchObject({
      code: 'pack-damaged',
    })
  })
})

const wish = () => ({ kind: 'clone', source: alpha.id, target: beta.id }) as const

describe('a whole operation', () => {
  test('ends without an order when the plan is not approved', async () => {
    const outcome = await carryOut(hub.ports, wish(), {
      passphrase: async () => PASSPHRASE,
      approve: async () => false,
    })
    expect(outcome).toBeUndefined()
    expect(hub.asked.some(({ what }) => what === 'POST /api/jobs')).toBe(false)
  })

  test('shows a blocked plan and does not carry it out although it is approved', async () => {
    describeSelf(p, hub, unlocked.record, beta, { freeBytes: { home: 1, state: 1 } })
    const seen: string[] = []
    const running = carryOut(hub.ports, wish(), {
      passphrase: async () => PASSPHRASE,
      approve: async (plan) => {
        seen.push(...plan.findings.map(({ code }) => code))
        return true
      },
    })
    await expect(running).rejects.toMatchObject({ code: 'plan-blocked' })
    expect(seen).toContain('disk-full')
    expect(hub.asked.some(({ what }) => what === 'POST /api/jobs')).toBe(false)
  })

  test('sends an order under the job that it names, and follows it to its end', async () => {
    const outcome = await carryOut(hub.ports, wish(), {
      passphrase: async () => PASSPHRASE,
      approve: async () => true,
    })
    expect(outcome?.job.state).toBe('done')
    const sent = hub.asked.find(({ what }) => what === 'POST /api/jobs')?.body
    const { kind, order } = sent as { kind: string; order: string }
    expect(kind).toBe('clone')
    const { order: read } = await asTarget(fromBase64url(order))
    expect(outcome?.plan.hash).toBe(read.plan)
  })
})
