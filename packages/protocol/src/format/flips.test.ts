/**
 * One flipped bit in any object of a store is noticed, and nothing wrong is ever handed out. `npm run proof -- flips` flips
 * every bit of every object; here it is every bit of one pack and some of the rest.
 */
import { beforeAll, expect, test } from 'vitest'
import { equal, hex } from '../bytes.ts'
import { openEpochs } from '../epochs.ts'
import { OcmError } from '../errors.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { decodeAs } from '../shapes.ts'
import { openManifestRoot, readSnapshot, snapshotIdOf } from '../snapshot.ts'
import {
  Slot,
  openHandover,
  openPassphraseSlot,
  openRecoverySlot,
  readVaultRecord,
} from '../vault.ts'
import { openPack } from './open-pack.ts'
import { decodeRoot } from './reader.ts'
import { seeded } from './testing/seeded.ts'
import {
  PASSPHRASES,
  RECOVERY_CODE,
  type SmallSnapshot,
  type SmallStore,
  smallStore,
} from './testing/small-store.ts'

const isWhole = process.env['OCM_FLIPS'] === 'all'
const seed = process.env['OCM_SEED'] ?? '1'

let store: SmallStore
let snapshot: SmallSnapshot
/** Derived keys by salt: only flips of a salt have to pay for another. */
const derived = new Map<string, Promise<Uint8Array>>()
const quick = {
  ...p,
  argon2id(secret: Uint8Array, salt: Uint8Array) {
    const name = `${hex(secret)} ${hex(salt)}`
    const key = derived.get(name) ?? p.argon2id(secret, salt)
    derived.set(name, key)
    return key
  },
}

beforeAll(async () => {
  store = await smallStore(seeded(p, `flips ${seed}`))
  snapshot = store.snapshots[1]
})

/** Every bit, or `some` of them spread evenly. */
function* flips(
  bytes: Uint8Array,
  some: number,
): Generator<readonly [bit: number, flipped: Uint8Array]> {
  const bits = bytes.length * 8
  const step = isWhole || bits <= some ? 1 : bits / some
  for (let n = 0; n < bits; n += step) {
    const bit = Math.floor(n)
    const at = bit >> 3
    yield [bit, bytes.with(at, (bytes[at] as number) ^ (1 << (bit & 7)))]
  }
}

const LIMIT = { timeout: isWhole ? 3_600_000 : 60_000 }

/**
 * @param open throws an OcmError if it notices anything, and any other error if it hands out what is wrong.
 * @returns the bits that nobody noticed.
 */
async function prove(
  what: string,
  bytes: Uint8Array,
  some: number,
  open: (flipped: Uint8Array) => unknown,
): Promise<readonly number[]> {
  let flipped = 0
  const unnoticed: number[] = []
  await open(bytes)
  for (const [bit, changed] of flips(bytes, some)) {
    flipped++
    try {
      await open(changed)
      unnoticed.push(bit)
    } catch (error) {
      if (!(error instanceof OcmError)) throw error
    }
  }
  console.log(
    `${what}: ${flipped} of ${bytes.length * 8} bits flipped, ${unnoticed.length} unnoticed`,
  )
  return unnoticed
}

test.each(['state', 'bulk', 'secret', 'tree'])('a pack of class %s', LIMIT, async (name) => {
  const pack = snapshot.packs.find((one) => one.class === name) as SmallSnapshot['packs'][number]
  const { root } = snapshot
  const listed = decodeRoot(root).packs.find(({ id }) => hex(id) === pack.id)
  const header = listed?.header as Uint8Array
  const opener = { sealing: store.vault.sealing, node: store.node.id }
  const whole = await openPack(p, pack.bytes, opener, { id: pack.id, header })
  const right: Uint8Array[] = []
  for (let n = 0; n < whole.segments.length; n++) right.push(await whole.segment(n))

  // By its id, as it is read whole.
  expect(
    await prove(`${name} pack, whole`, pack.bytes, 400, (bytes) =>
      openPack(p, bytes, opener, { id: pack.id, header }),
    ),
  ).toEqual([])
  // By ranges, where nobody has all of it to hash: with the vault, and with the key out of a grant.
  for (const by of [opener, { packKey: pack.key }]) {
    const how = 'sealing' in by ? 'vault' : 'grant'
    const some = name === 'state' && how === 'grant' ? Number.POSITIVE_INFINITY : 400
    expect(
      await prove(`${name} pack, ranges, ${how}`, pack.bytes, some, async (bytes) => {
        const ranges = {
          bytes: bytes.length,
          read: (at: number, length: number) => Promise.resolve(bytes.subarray(at, at + length)),
        }
        const open = await openPack(p, ranges, by, { header })
        let failed: unknown
        for (const [n, plain] of right.entries()) {
          try {
            if (!equal(await open.segment(n), plain))
              throw new TypeError(`wrong bytes of segment ${n}`)
          } catch (error) {
            if (!(error instanceof OcmError)) throw error
            failed = error
          }
        }
        if (failed !== undefined) throw failed
      }),
    ).toEqual([])
  }
})

test('a snapshot header', LIMIT, async () => {
  expect(
    await prove('snapshot header', snapshot.statement, 600, (bytes) => {
      const header = readSnapshot(p, store.node.key.public, bytes)
      return decodeRoot(openManifestRoot(p, store.vault.sealing, header))
    }),
  ).toEqual([])
  expect(
    await prove('snapshot header, by its id', snapshot.statement, 600, (bytes) => {
      if (snapshotIdOf(p, bytes) !== snapshot.id) throw new OcmError('signature-invalid')
    }),
  ).toEqual([])
})

test('what a header has sealed, also without its signature', LIMIT, async () => {
  expect(
    await prove('sealed root', snapshot.header.root, 600, (root) =>
      decodeRoot(openManifestRoot(p, store.vault.sealing, { ...snapshot.header, root })),
    ),
  ).toEqual([])
})

test('a vault record', LIMIT, async () => {
  expect(
    await prove('vault record', store.record, 600, (bytes) =>
      readVaultRecord(p, store.vault.root.public, bytes, 0),
    ),
  ).toEqual([])
})

test('the secret of an epoch that has ended', LIMIT, async () => {
  expect(
    await prove('ended epoch', store.epoch, 600, (bytes) =>
      openEpochs(p, store.vault, new Map([[1, bytes]])).of(1),
    ),
  ).toEqual([])
})

test('a slot under a passphrase', LIMIT, async () => {
  expect(
    await prove('passphrase slot', store.slots.olivia, 24, (bytes) => {
      const slot = decodeAs(Slot, bytes, 'slot')
      if (slot.kind !== 'passphrase') throw new OcmError('malformed')
      return openPassphraseSlot(quick, store.vault.id, slot, PASSPHRASES.olivia)
    }),
  ).toEqual([])
})

test('a slot under the recovery code', LIMIT, async () => {
  expect(
    await prove('recovery slot', store.slots.recovery, 600, (bytes) => {
      const slot = decodeAs(Slot, bytes, 'slot')
      if (slot.kind !== 'recovery') throw new OcmError('malformed')
      return openRecoverySlot(p, store.vault.id, slot, RECOVERY_CODE)
    }),
  ).toEqual([])
})

test('a slot that was handed over', LIMIT, async () => {
  const opened = { vault: store.before, operator: store.operators.oscar }
  expect(
    await prove('handover slot', store.slots.handover, 600, (bytes) => {
      const slot = decodeAs(Slot, bytes, 'slot')
      if (slot.kind !== 'handover' || slot.operator !== opened.operator.id)
        throw new OcmError('malformed')
      return openHandover(p, opened, slot)
    }),
  ).toEqual([])
})
