/** What a bare store says, and whom of those who can write into it is believed. */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  NO_METRICS,
  type KeyPair,
  type OpenedVault,
  type SnapshotHeader,
  type VaultRecord,
  createOperator,
  createVault,
  equal,
  handoverSlot,
  listedOperator,
  newRecoveryCode,
  nextEpoch,
  operatorBox,
  passphraseSlot,
  recoverySlot,
  sealEpoch,
  signSnapshot,
  signVaultRecord,
  snapshotIdOf,
  toCbor,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { type StoreFiles, chooseSnapshot, listStore, openStore } from './store.ts'

const PASSPHRASE = 'velvet harbour quartz meadow'
const ADA = '0a'.repeat(16)
const BOB = '0b'.repeat(16)
const EVE = '0e'.repeat(16)

const vault = createVault(p)
const operator = createOperator(p)
const opened: OpenedVault = { vault, operator }
const code = newRecoveryCode(p)
const keys = { ada: p.ed25519Pair(), bob: p.ed25519Pair(), eve: p.ed25519Pair() }
let slots: readonly Uint8Array[]

const record = (more: Partial<VaultRecord> = {}): Uint8Array =>
  signVaultRecord(p, vault, {
    v: 1,
    vault: vault.id,
    serial: 3,
    epoch: vault.epoch,
    sealing: vault.sealing.public,
    operators: [listedOperator(p, operator)],
    hubs: [],
    nodes: [{ id: ADA, key: keys.ada.public }],
    revoked: [keys.bob.public],
    retired: [{ id: BOB, key: keys.bob.public }],
    at: 0,
    ...more,
  })

const header = (node: string, seq: number, more: Partial<SnapshotHeader> = {}): SnapshotHeader => ({
  v: 1,
  vault: vault.id,
  epoch: 1,
  node,
  seq,
  // Of one that was pruned, as far as the store goes.
  prev: seq === 1 ? null : 'aa'.repeat(32),
  run: '00'.repeat(16),
  trigger: 'manual',
  startedAt: 0,
  finishedAt: seq,
  packs: [],
  root: new Uint8Array(1),
  metrics: NO_METRICS,
  versions: { agent: '', openclaw: '', schemas: {} },
  ...more,
})

const signed = (of: SnapshotHeader, key: KeyPair): readonly [string, Uint8Array] => {
  const statement = signSnapshot(p, of, key)
  return [snapshotIdOf(p, statement), statement]
}

const first = signed(header(ADA, 1), keys.ada)

const files = (more: Partial<StoreFiles> = {}): StoreFiles => ({
  record: record(),
  slots,
  epochs: new Map(),
  headers: new Map([
    first,
    signed(header(ADA, 2, { prev: first[0] }), keys.ada),
    signed(header(BOB, 7), keys.bob),
    signed(header(EVE, 99), keys.eve),
  ]),
  ...more,
})

const inStore = async (more: Partial<StoreFiles> = {}, secret = { recoveryCode: code }) => {
  const there = files(more)
  return listStore(p, await openStore(p, there, secret), there)
}

beforeAll(async () => {
  slots = [
    toCbor(await passphraseSlot(p, opened, PASSPHRASE)),
    toCbor(recoverySlot(p, vault, code)),
  ]
})

describe('a store opens', () => {
  test('with the passphrase and with the recovery code', async () => {
    for (const secret of [{ passphrase: PASSPHRASE }, { recoveryCode: code }]) {
      expect((await openStore(p, files(), secret)).vault.id).toBe(vault.id)
    }
  })

  test('with nothing else', async () => {
    const wrong = openStore(p, files(), { passphrase: 'another' })
    await expect(wrong).rejects.toMatchObject({ code: 'passphrase-wrong' })
    const code2 = openStore(p, files(), { recoveryCode: newRecoveryCode(p) })
    await expect(code2).rejects.toMatchObject({ code: 'recovery-code-wrong' })
  })

  test('although another slot in it is damaged, and its record is gone', async () => {
    const damaged = [Uint8Array.of(1, 2, 3), ...slots]
    const { snapshots } = await inStore({ slots: damaged, record: undefined })
    expect(new Set(snapshots.map(({ standing }) => standing))).toEqual(new Set(['unknown']))
  })

  test('with a record that somebody else signed as with none', async () => {
    const other = createVault(p)
    const foreign = signVaultRecord(p, other, {
      v: 1,
      vault: other.id,
      serial: 9,
      epoch: 1,
      sealing: other.sealing.public,
      operators: [],
      hubs: [],
      nodes: [{ id: EVE, key: keys.eve.public }],
      revoked: [],
      at: 0,
    })
    const { snapshots } = await inStore({ record: foreign })
    expect(snapshots.every(({ standing }) => standing === 'unknown')).toBe(true)
  })

  test('at every epoch that it has had, for an operator who was handed the newest', async () => {
    const next = nextEpoch(p, vault)
    const there = files({
      epochs: new Map([[1, sealEpoch(p, vault, next)]]),
      slots: [
        ...slots,
        toCbor(handoverSlot(p, next, operator.id, operatorBox(p, operator).public)),
      ],
    })
    const store = await openStore(p, there, { passphrase: PASSPHRASE })
    expect(store.vault.epoch).toBe(2)
    expect(equal(store.epochs.of(2).public, next.sealing.public)).toBe(true)
    expect(equal(store.epochs.of(1).public, vault.sealing.public)).toBe(true)
  })
})

describe('what anybody can seal to an operator', () => {
  const { public: box } = operatorBox(p, operator)

  test('does not pass for a vault that was handed over', async () => {
    const other = nextEpoch(p, createVault(p))
    const posing = { ...other, id: vault.id, epoch: 9 }
    const next = nextEpoch(p, vault)
    const there = files({
      slots: [
        toCbor(handoverSlot(p, posing, operator.id, box)),
        ...slots,
        toCbor(handoverSlot(p, next, operator.id, box)),
      ],
    })
    const store = await openStore(p, there, { passphrase: PASSPHRASE })
    expect(store.vault.epoch).toBe(2)
    expect(equal(store.vault.root.public, vault.root.public)).toBe(true)
  })
})

test('of two slots that one secret opens the newer counts, wherever it lies', async () => {
  const next = nextEpoch(p, vault)
  const newer = toCbor(recoverySlot(p, next, code))
  for (const both of [
    [...slots, newer],
    [newer, ...slots],
  ]) {
    const store = await openStore(p, files({ slots: both }), { recoveryCode: code })
    expect(store.vault.epoch).toBe(2)
  }
})

describe('a snapshot in it', () => {
  test('is marked by who signed it, newest first', async () => {
    const { snapshots, damaged } = await inStore()
    expect(damaged).toEqual([])
    expect(snapshots.map(({ header: { node, seq }, standing }) => [node, seq, standing])).toEqual([
      [ADA, 2, 'confirmed'],
      [ADA, 1, 'confirmed'],
      [BOB, 7, 'retired'],
      [EVE, 99, 'unknown'],
    ])
  })

  test('that bears the name of a node but not its key is of nobody known', async () => {
    const headers = new Map([signed(header(ADA, 3), keys.eve)])
    expect((await inStore({ headers })).snapshots).toMatchObject([{ standing: 'unknown' }])
  })

  test('that was changed, or is not what it is called, counts as damaged', async () => {
    const [id, statement] = signed(header(ADA, 3), keys.ada)
    const changed = statement.slice()
    changed[40] = (changed[40] ?? 0) ^ 1
    const headers = new Map([
      [id, changed],
      ['ff'.repeat(32), statement],
    ])
    const { snapshots, damaged } = await inStore({ headers })
    expect([snapshots, damaged]).toEqual([[], [id, 'ff'.repeat(32)]])
  })

  test('is chosen among those of confirmed nodes when none is named', async () => {
    const { snapshots } = await inStore()
    expect(chooseSnapshot(snapshots, {}).header).toMatchObject({ node: ADA, seq: 2 })
    expect(chooseSnapshot(snapshots, { node: EVE.slice(0, 6) }).header.seq).toBe(99)
    const [, older] = snapshots
    expect(chooseSnapshot(snapshots, { snapshot: older?.id.slice(0, 10) ?? '' })).toBe(older)
  })

  test('is the latest of its node although strangers have signed more in its name', async () => {
    const headers = new Map([
      ...files().headers,
      signed(header(ADA, 2), keys.eve),
      signed(header(ADA, 3, { finishedAt: 7 }), keys.eve),
      signed(header(ADA, 3, { finishedAt: 8 }), keys.eve),
      signed(header(BOB, 8), keys.eve),
    ])
    const { snapshots } = await inStore({ headers })
    const known = snapshots.filter(({ standing }) => standing !== 'unknown')
    expect(known.map(({ disputed }) => disputed)).toEqual([false, false, false])
    for (const choice of [{}, { node: ADA }]) {
      expect(chooseSnapshot(snapshots, choice)).toMatchObject({
        header: { node: ADA, seq: 2 },
        standing: 'confirmed',
      })
    }
    expect(chooseSnapshot(snapshots, { node: BOB })).toMatchObject({ standing: 'retired' })
  })

  test.each<[string, SnapshotHeader]>([
    ['has the number of another', header(ADA, 2, { prev: first[0], finishedAt: 9 })],
    ['names another before it than there is', header(ADA, 2)],
    ['says that it is not the first and names none', header(ADA, 7, { prev: null })],
  ])('that %s is not the latest, and can be asked for by name', async (_, second) => {
    const [id, statement] = signed(second, keys.ada)
    const headers = new Map([first, signed(header(ADA, 2, { prev: first[0] }), keys.ada)])
    headers.set(id, statement)
    const { snapshots } = await inStore({ headers })
    expect(snapshots.find((one) => one.id === id)).toMatchObject({ disputed: true })
    expect(() => chooseSnapshot(snapshots, {})).toThrow(
      expect.objectContaining({ code: 'wrong-use' }),
    )
    expect(chooseSnapshot(snapshots, { snapshot: id }).id).toBe(id)
  })

  test('has to be named where several nodes have some', async () => {
    const nodes = [
      { id: ADA, key: keys.ada.public },
      { id: EVE, key: keys.eve.public },
    ]
    const { snapshots } = await inStore({ record: record({ nodes }) })
    expect(() => chooseSnapshot(snapshots, {})).toThrow(
      expect.objectContaining({ code: 'wrong-use' }),
    )
    expect(() => chooseSnapshot(snapshots, { snapshot: 'zz' })).toThrow(
      expect.objectContaining({ code: 'not-found' }),
    )
  })
})
