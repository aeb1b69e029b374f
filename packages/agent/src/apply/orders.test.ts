import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RigInstallation } from '../../../../tests/support/rig/node.ts'
import type { Wish } from '../../../../tests/support/rig/operator.ts'
import { ELSEWHERE, JOB, Stand } from '../../../../tests/support/rig/stand.ts'
import { digestOf, treeOf } from '../../../../tests/support/rig/trees.ts'
import { A, B, keys, vaultRecord } from '../../../../tests/support/rig/vault.ts'
import { createApply } from './apply.ts'

let stand: Stand
let before: readonly string[] = []
beforeEach(async () => {
  stand = await Stand.open(createApply)
  before = digestOf(stand.place.home)
})
afterEach(() => stand.close())

/** What staging under such an order fails with. */
const refusal = async (wish: Partial<Wish>, record = vaultRecord()) =>
  stand.stage(await stand.order(wish), { record }).catch((error: unknown) => error)
const invalid = (why: string) => ({ code: 'order-invalid', facts: { why } })
/** Neither the live trees nor anything beside them, and nothing in the journal. */
const isUntouched = () =>
  digestOf(stand.place.home).join('\n') === before.join('\n') &&
  !existsSync(`${stand.place.agent}/journal`)

test('an order of nobody that the vault record names, or of one who was removed, is refused', async () => {
  const forged = { code: 'signature-invalid', facts: { what: 'order' } }
  expect(await refusal({ signer: keys.stranger })).toMatchObject(forged)
  const removed = vaultRecord({ revoked: [keys.operator.public] })
  expect(await refusal({}, removed)).toMatchObject(forged)
  const borrowed = { order: { operator: '0e'.repeat(16) } }
  expect(await refusal(borrowed)).toMatchObject(invalid('operator'))
  expect(isUntouched()).toBe(true)
})

test('an order that a newer vault record is needed for, or of another vault, is refused', async () => {
  const newer = await refusal({ order: { minRecord: 8 } })
  expect(newer).toMatchObject({ code: 'vault-record-stale' })
  expect(await refusal({ order: { vault: '0f'.repeat(16) } })).toMatchObject(invalid('vault'))
  expect(isUntouched()).toBe(true)
})

test('a node that the vault does not know, or knows by another key, takes no order', async () => {
  const a = { id: A, key: keys.a.public }
  const unknown = vaultRecord({ nodes: [a] })
  expect(await refusal({}, unknown)).toMatchObject({ code: 'node-unconfirmed' })
  const swapped = vaultRecord({ nodes: [a, { id: B, key: keys.stranger.public }] })
  expect(await refusal({}, swapped)).toMatchObject(invalid('another-node'))
  const revoked = vaultRecord({ revoked: [keys.a.public] })
  expect(await refusal({}, revoked)).toMatchObject({ code: 'node-unconfirmed' })
  expect(isUntouched()).toBe(true)
})

test('an order on an offer that is not the newest of this process is refused', async () => {
  const order = await stand.order()
  await stand.apply.describe(vaultRecord())
  await expect(stand.stage(order)).rejects.toMatchObject(invalid('stale'))
  const another = await stand.order()
  stand.restart()
  await expect(stand.stage(another)).rejects.toMatchObject(invalid('stale'))
  expect(isUntouched()).toBe(true)
})

test('an order is used once, and a job has one order', async () => {
  const order = await stand.order()
  await stand.stage(order)
  const job = '1c'.repeat(16)
  await expect(stand.stage(order, { job })).rejects.toMatchObject(invalid('job'))
  await expect(stand.stage(await stand.order())).rejects.toMatchObject(invalid('used'))
  await stand.apply.discard(JOB)
  await expect(stand.stage(order)).rejects.toMatchObject({ code: 'job-cancelled' })
})

test('a restore of another node’s snapshot is refused', async () => {
  expect(await refusal({ kind: 'restore' })).toMatchObject({ code: 'snapshot-foreign' })
  expect(isUntouched()).toBe(true)
})

test('an order whose plan is not what this node derives is refused', async () => {
  const order = await stand.order()
  const { facts } = stand.installation
  const fenced: RigInstallation['facts'] = async (wish) => ({
    ...(await facts(wish)),
    fenced: true,
  })
  Object.assign(stand.installation, { facts: fenced })
  await expect(stand.stage(order)).rejects.toMatchObject({ code: 'plan-changed' })
  expect(digestOf(stand.place.home)).toEqual(before)
})

test('a header that is not of the snapshot which the order names is refused', async () => {
  const { header } = stand.take(treeOf(ELSEWHERE, 'other'))
  const order = await stand.order()
  await expect(stand.stage(order, { header })).rejects.toMatchObject(invalid('snapshot'))
  expect(digestOf(stand.place.home)).toEqual(before)
})

test('a later order takes the place of one that is only staged', async () => {
  await stand.stage(await stand.order())
  const job = '1c'.repeat(16)
  await stand.stage(await stand.order({ job }), { job })
  expect(await stand.activate()).toMatchObject({ spoke: false, code: 'job-cancelled' })
  await stand.apply.discard(job)
  expect(digestOf(stand.place.home)).toEqual(before)
})
