import {
  Slot,
  base64url,
  concat,
  decodeAs,
  fingerprint,
  fromBase64url,
  listedOperator,
  openPassphraseSlot,
  openRecoverySlot,
  readVaultRecord,
  utf8,
  vaultIdOf,
} from '@ocm/protocol'
import { browserPrimitives } from '@ocm/protocol/browser'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { expect, test } from 'vitest'
import { type SetupWish, prepareSetup } from './setup.ts'

const hub = p.ed25519Pair()
const wish: SetupWish = {
  name: 'olivia',
  password: 'login-of-olivia',
  passphrase: 'velvet harbour quartz meadow lantern osprey',
  hubKey: base64url(hub.public),
  now: Date.UTC(2026, 10, 25),
}

test('makes a vault that passphrase and recovery code open, and nothing else', async () => {
  const { request, kit } = await prepareSetup(p, wish)
  const root = fromBase64url(request.root)
  const id = vaultIdOf(p, root)
  const record = readVaultRecord(p, root, fromBase64url(request.record), 0)
  expect(record).toMatchObject({ serial: 1, nodes: [], revoked: [], hubs: [hub.public] })
  const [first, second] = request.slots.map(({ slot }) =>
    decodeAs(Slot, fromBase64url(slot), 'slot'),
  )
  if (first?.kind !== 'passphrase' || second?.kind !== 'recovery') throw new Error('slots')

  const opened = await openPassphraseSlot(browserPrimitives, id, first, wish.passphrase)
  expect(opened.vault.sealing.public).toEqual(record.sealing)
  expect(record.operators).toEqual([listedOperator(p, opened.operator)])
  expect(openRecoverySlot(p, id, second, kit.code).root.public).toEqual(root)
  await expect(openPassphraseSlot(p, id, first, `${wish.passphrase}x`)).rejects.toMatchObject({
    code: 'passphrase-wrong',
  })
  expect(() => openRecoverySlot(p, id, second, kit.code.replace(/^./, '#'))).toThrow(
    expect.objectContaining({ code: 'recovery-code-wrong' }),
  )
})

test('sends neither passphrase nor recovery code nor a key', async () => {
  const { request, kit } = await prepareSetup(p, wish)
  const sent = concat(
    utf8(JSON.stringify(request)),
    ...request.slots.map(({ slot }) => fromBase64url(slot)),
    fromBase64url(request.record),
  )
  const text = Buffer.from(sent).toString('latin1')
  const root = fromBase64url(request.root)
  const slot = decodeAs(Slot, fromBase64url(request.slots[1]?.slot ?? ''), 'slot')
  if (slot.kind !== 'recovery') throw new Error('slots')
  const vault = openRecoverySlot(p, vaultIdOf(p, root), slot, kit.code)
  const secrets = [vault.root.secret, vault.sealing.secret].map((key) =>
    Buffer.from(key).toString('latin1'),
  )
  expect(text).toContain(Buffer.from(root).toString('latin1'))
  for (const secret of [wish.passphrase, kit.code, ...secrets]) expect(text).not.toContain(secret)
})

test('gives a kit with the fingerprints that agents print', async () => {
  const { request, kit } = await prepareSetup(p, wish)
  expect(kit.vault).toBe(fingerprint(p, fromBase64url(request.root)))
  expect(kit.hub).toBe(fingerprint(p, hub.public))
  expect(kit.code.replaceAll('-', '')).toHaveLength(32)
  for (const part of [kit.code, kit.vault, kit.hub, '2026-11-25', 'olivia']) {
    expect(kit.text).toContain(part)
  }
})

test('refuses a passphrase that is the password before it makes anything', async () => {
  await expect(
    prepareSetup(p, { ...wish, password: ' Velvet harbour quartz meadow lantern osprey' }),
  ).rejects.toMatchObject({ code: 'passphrase-is-password' })
})
