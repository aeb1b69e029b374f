import { mkdir, readFile, readdir, rm } from 'node:fs/promises'
import {
  base64url,
  fromBase64url,
  handoverSlot,
  listedOperator,
  nextEpoch,
  openEpochs,
  operatorBox,
  sealEpoch,
  signVaultChange,
  signVaultRecord,
  Slot,
  toCbor,
  type Vault,
  type VaultChange,
  vaultHash,
  type VaultRecord,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TestHub } from '../testing/hub.ts'

let hub: TestHub

beforeEach(async () => {
  hub = await TestHub.ready()
})
afterEach(() => hub.close())

const state = async () => (await hub.call('GET', '/api/vault')).body
const stored = async (): Promise<string[]> => (await readdir(`${hub.data}/packs/vault`)).toSorted()
const slotFile = (slot: Uint8Array) => `slot-${Buffer.from(p.sha256(slot)).toString('hex')}`

const passphraseSlotOf = (operator = hub.operator.id): Uint8Array =>
  toCbor({
    kind: 'passphrase',
    operator,
    kdf: 'argon2id-64m-3-1',
    salt: p.random(16),
    sealed: p.random(80),
  } satisfies Slot)
const recoverySlotOf = (): Uint8Array =>
  toCbor({ kind: 'recovery', kdf: 'hkdf', salt: p.random(16), sealed: p.random(80) } satisfies Slot)

async function overNow(): Promise<Uint8Array> {
  const { record, slots } = await state()
  const bytes = slots.map(({ slot }: { slot: string }) => fromBase64url(slot))
  return vaultHash(p, fromBase64url(record), bytes)
}

async function put(more: Partial<VaultChange>, signer: Vault = hub.vault) {
  const change: VaultChange = {
    v: 1,
    vault: hub.vault.id,
    over: await overNow(),
    record: null,
    slots: [passphraseSlotOf(), recoverySlotOf()],
    ended: null,
    ...more,
  }
  const body = { change: base64url(signVaultChange(p, signer, change)) }
  return { body, answer: await hub.call('PUT', '/api/vault', body) }
}

function recordOf(change: Partial<VaultRecord>): Uint8Array {
  const before = hub.record as VaultRecord
  return signVaultRecord(p, hub.vault, { ...before, serial: before.serial + 1, ...change })
}

test('takes new slots in place of the old ones, in the catalog and beside the packs', async () => {
  const slots = [passphraseSlotOf(), recoverySlotOf()]
  const before = await stored()
  const { answer } = await put({ slots })
  expect(answer.status).toBe(200)
  const served = (await state()).slots.map(({ slot }: { slot: string }) => slot)
  expect(served).toEqual(slots.map(base64url))
  expect(await stored()).toEqual([...slots.map(slotFile), 'record'].toSorted())
  expect(before.filter((name) => name.startsWith('slot-'))).toHaveLength(2)
  await hub.stop()
  await hub.restart()
  expect((await state()).slots).toHaveLength(2)
})

test('takes a change once, and none that was made over another state or by somebody else', async () => {
  const { body, answer } = await put({})
  expect(answer.status).toBe(200)
  expect((await hub.call('PUT', '/api/vault', body)).body.code).toBe('vault-record-stale')
  const root = p.ed25519Pair()
  const { answer: forged } = await put({}, { ...hub.vault, root })
  expect(forged.body.code).toBe('signature-invalid')
})

test('keeps a slot that opens whatever is cut short: the new ones stand before the old ones go', async () => {
  const before = await stored()
  // The record is written between the new slots and the removal of the old ones; here it cannot be.
  await rm(`${hub.data}/packs/vault/record`)
  await mkdir(`${hub.data}/packs/vault/record/in-the-way`, { recursive: true })
  const slots = [passphraseSlotOf(), recoverySlotOf()]
  const { answer } = await put({ slots })
  expect(answer.body.code).toBe('store-failed')
  const there = await stored()
  for (const name of [...before, ...slots.map(slotFile)]) expect(there).toContain(name)
  await rm(`${hub.data}/packs/vault/record`, { recursive: true })
  // The catalog has them; the next start brings the store to the same.
  await hub.stop()
  await hub.restart()
  expect(await stored()).toEqual([...slots.map(slotFile), 'record'].toSorted())
})

/** The code that a change is refused with; undefined when it is taken. */
const refusal = async (change: Parameters<typeof put>[0]) => (await put(change)).answer.body.code

test('refuses slots that leave nobody a way in, or are of somebody who is not listed', async () => {
  expect(await refusal({ slots: [passphraseSlotOf(), passphraseSlotOf()] })).toBe('malformed')
  expect(await refusal({ slots: [recoverySlotOf(), recoverySlotOf()] })).toBe('malformed')
  expect(await refusal({ slots: [passphraseSlotOf('f'.repeat(32)), recoverySlotOf()] })).toBe(
    'malformed',
  )
  const handover = toCbor(
    handoverSlot(p, hub.vault, hub.operator.id, operatorBox(p, hub.operator).public),
  )
  expect(await refusal({ slots: [handover, recoverySlotOf()] })).toBe('malformed')
  expect(await refusal({ slots: [handover, passphraseSlotOf(), recoverySlotOf()] })).toBe(undefined)
})

test('takes a new epoch with the sealed secret of the old one, which opens from the store alone', async () => {
  const next = nextEpoch(p, hub.vault)
  const ended = sealEpoch(p, hub.vault, next)
  const record = recordOf({ epoch: 2, sealing: next.sealing.public })
  const { answer } = await put({ record, ended })
  expect(answer.status).toBe(200)
  const kept = new Uint8Array(await readFile(`${hub.data}/packs/vault/epoch-1`))
  expect(kept).toEqual(ended)
  expect((await state()).epochs).toEqual([{ epoch: 1, statement: base64url(ended) }])
  const epochs = openEpochs(p, next, new Map([[1, kept]]))
  expect(epochs.of(1).secret).toEqual(hub.vault.sealing.secret)
})

test('refuses an epoch that would lose the one before it', async () => {
  const next = nextEpoch(p, hub.vault)
  const { sealing } = next
  const other = { ...hub.vault, sealing: p.x25519Pair() }
  const record = recordOf({ epoch: 2, sealing: sealing.public })
  expect(await refusal({ record })).toBe('malformed')
  expect(await refusal({ record, ended: sealEpoch(p, other, next) })).toBe('malformed')
  expect(await refusal({ ended: sealEpoch(p, hub.vault, next) })).toBe('malformed')
  const leap = recordOf({ epoch: 3, sealing: sealing.public })
  expect(await refusal({ record: leap, ended: sealEpoch(p, hub.vault, next) })).toBe('malformed')
  // Nor by the way that carries no slots.
  expect((await hub.putRecord({ epoch: 2, sealing: sealing.public })).body.code).toBe('malformed')
  expect((await state()).epochs).toEqual([])
})

test('ends the account of an operator whom the record lists no longer', async () => {
  const other = { id: 'e'.repeat(32), key: p.ed25519Pair() }
  const token = (await hub.call('POST', '/api/tokens', { label: 'ocm' })).body.token
  const me = () =>
    hub.call('GET', '/api/me', undefined, { cookie: '', authorization: `Bearer ${token}` })
  expect((await me()).status).toBe(200)
  const record = recordOf({ operators: [listedOperator(p, other)] })
  const { answer } = await put({ record, slots: [passphraseSlotOf(other.id), recoverySlotOf()] })
  expect(answer.status).toBe(200)
  expect((await me()).status).toBe(401)
  expect((await hub.call('GET', '/api/me')).status).toBe(401)
})

test('two changes at once: one is taken, the other is told that it came late', async () => {
  const [one, two] = await Promise.all([put({}), put({})])
  const codes = [one, two].map(({ answer }) => answer.body.code ?? 'taken').toSorted()
  expect(codes).toEqual(['taken', 'vault-record-stale'])
  expect((await stored()).filter((name) => name.startsWith('slot-'))).toHaveLength(2)
})
