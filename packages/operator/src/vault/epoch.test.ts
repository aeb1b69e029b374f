import {
  OcmError,
  Slot,
  base64url,
  concat,
  createOperator,
  decodeAs,
  fromBase64url,
  listedOperator,
  openPassphraseSlot,
  openRecoverySlot,
  passphraseSlot,
  readVaultRecord,
  toCbor,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { beforeEach, describe, expect, test } from 'vitest'
import { type PaperHub, hasty, paperHub } from '../paper/hub.ts'
import { joinNode, takeSnapshot } from '../paper/node.ts'
import { openSnapshot } from '../snapshots/open.ts'
import { beginEpoch, planEpoch } from './epoch.ts'
import { confirmNodes, retireNode } from './nodes.ts'
import { recoverVault } from './recover.ts'
import { reviseRecord } from './record.ts'
import { changePassphrase } from './rewrap.ts'
import { type RecoveryKit } from './kit.ts'
import { prepareSetup } from './setup.ts'
import { issueTicket } from './ticket.ts'
import { type Unlocked, openVault } from './unlock.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'
const NEW = 'copper lagoon thistle ember walnut prairie'
const PASSWORD = 'login-of-olivia'

let hub: PaperHub
let unlocked: Unlocked
let kit: RecoveryKit

beforeEach(async () => {
  hub = paperHub(p)
  const setup = await prepareSetup(p, {
    name: 'olivia',
    password: PASSWORD,
    passphrase: PASSPHRASE,
    hubKey: hub.vault.hubKey,
    now: 0,
  })
  kit = setup.kit
  hub.accept(setup.request)
  unlocked = await openVault(hub.ports, PASSPHRASE)
})

const served = () =>
  readVaultRecord(p, unlocked.vault.root.public, fromBase64url(hub.vault.record), 0)
const slots = () => hub.vault.slots.map(({ slot }) => decodeAs(Slot, fromBase64url(slot), 'slot'))
const next = async (passphrase = PASSPHRASE, remove: readonly string[] = []) => {
  const epoch = await beginEpoch(hub.ports, unlocked, { passphrase, name: 'olivia', remove })
  await epoch.put()
  return epoch
}
const recoveryOpens = (code: string) => {
  const slot = slots().find((one) => one.kind === 'recovery')
  if (slot?.kind !== 'recovery') throw new Error('no recovery slot')
  return openRecoverySlot(p, unlocked.vault.id, slot, code)
}

async function node() {
  const { join } = await issueTicket(hub.ports, unlocked, { label: 'alpha', ttlMs: 60_000 })
  const made = joinNode(p, hub, 'alpha', { join, statement: hub.tickets.at(-1) ?? '' })
  unlocked = (await confirmNodes(hub.ports, unlocked)).unlocked
  return made
}
const snapshotOf = (of: Awaited<ReturnType<typeof node>>, content: string, seq = 1) =>
  takeSnapshot(p, hub, served(), of, [{ path: 'a.txt', content, travel: 'always' }], seq)

async function contentOf(from: Unlocked, id: string): Promise<string> {
  const snapshot = await openSnapshot(hub.ports, from, id)
  const [entry] = snapshot.manifest.entries
  if (entry === undefined) throw new Error('no entry')
  const parts: Uint8Array[] = []
  for await (const part of snapshot.read(entry)) parts.push(part)
  return new TextDecoder().decode(concat(...parts))
}

const retireNodeHere = (state: (typeof hub.nodes)[number]) => retireNode(hub.ports, unlocked, state)

/** As if another operator had been admitted. */
async function admit(passphrase: string, withBox = true) {
  const operator = createOperator(p)
  const { box, ...plain } = listedOperator(p, operator)
  unlocked = await reviseRecord(hub.ports, unlocked, (record) => ({
    operators: [...record.operators, withBox && box ? { ...plain, box } : plain],
  }))
  const slot = await passphraseSlot(p, { vault: unlocked.vault, operator }, passphrase)
  hub.vault.slots.push({
    kind: 'passphrase',
    operator: operator.id,
    slot: base64url(toCbor(slot)),
  })
  return operator.id
}
const as = async <T>(operator: string, work: () => Promise<T>): Promise<T> => {
  const { me } = hub
  hub.me = { name: 'otto', operator }
  try {
    return await work()
  } finally {
    hub.me = me
  }
}

describe('another passphrase', () => {
  test('opens the same vault, and the one before opens nothing that the hub has', async () => {
    await changePassphrase(hub.ports, unlocked, { passphrase: NEW, password: PASSWORD })
    const again = await openVault(hub.ports, NEW)
    expect(again.vault.sealing.public).toEqual(unlocked.vault.sealing.public)
    expect(again.operator.key.public).toEqual(unlocked.operator.key.public)
    await expect(openVault(hub.ports, PASSPHRASE)).rejects.toMatchObject({
      code: 'passphrase-wrong',
    })
    for (const slot of slots()) {
      if (slot.kind !== 'passphrase') continue
      await expect(
        openPassphraseSlot(p, unlocked.vault.id, slot, PASSPHRASE),
      ).rejects.toMatchObject({ code: 'passphrase-wrong' })
    }
    expect(slots().map(({ kind }) => kind)).toEqual(['recovery', 'passphrase'])
    expect(recoveryOpens(kit.code).root.public).toEqual(unlocked.vault.root.public)
  })

  test('is refused when it is weak or the login password, and nothing is sent', async () => {
    const before = hub.vault.slots
    const change = (passphrase: string) =>
      changePassphrase(hub.ports, unlocked, { passphrase, password: NEW })
    await expect(change('short')).rejects.toMatchObject({ code: 'passphrase-weak' })
    await expect(change(NEW)).rejects.toMatchObject({ code: 'passphrase-is-password' })
    expect(hub.vault.slots).toEqual(before)
  })

  test('leaves the slots of others alone', async () => {
    const otto = await admit(NEW)
    await changePassphrase(hub.ports, unlocked, {
      passphrase: 'saffron glacier puzzle tender orbit maple',
      password: PASSWORD,
    })
    const theirs = await as(otto, () => openVault(hub.ports, NEW))
    expect(theirs.operator.id).toBe(otto)
  })
})

describe('a new epoch', () => {
  test('has another key, the same root, the same passphrase and a kit that alone is good', async () => {
    const before = served()
    const { kit: fresh } = await next()
    expect(served()).toMatchObject({ epoch: 2, serial: before.serial + 1 })
    expect(served().sealing).not.toEqual(before.sealing)
    const again = await openVault(hub.ports, PASSPHRASE)
    expect(again.vault.root.public).toEqual(unlocked.vault.root.public)
    expect(again.vault.epoch).toBe(2)
    expect(recoveryOpens(fresh.code).sealing.public).toEqual(served().sealing)
    expect(() => recoveryOpens(kit.code)).toThrow(
      expect.objectContaining({ code: 'recovery-code-wrong' }),
    )
    expect(fresh.text).toContain('Epoch 2')
  })

  test('changes nothing before it is put, and nothing when the vault changed meanwhile', async () => {
    const prepared = await beginEpoch(hub.ports, unlocked, {
      passphrase: PASSPHRASE,
      name: 'olivia',
    })
    expect(served().epoch).toBe(1)
    await changePassphrase(hub.ports, unlocked, { passphrase: NEW, password: PASSWORD })
    await expect(prepared.put()).rejects.toMatchObject({ code: 'vault-record-stale' })
    expect(served().epoch).toBe(1)
    expect((await openVault(hub.ports, NEW)).vault.epoch).toBe(1)
  })

  test('opens the snapshots of every epoch before it', async () => {
    const alpha = await node()
    const ids = [snapshotOf(alpha, 'first')]
    for (const [n, content] of ['second', 'third'].entries()) {
      await next()
      unlocked = await openVault(hub.ports, PASSPHRASE)
      ids.push(snapshotOf(alpha, content, n + 2))
    }
    expect(hub.vault.epochs.map(({ epoch }) => epoch)).toEqual([1, 2])
    const contents = await Promise.all(ids.map((id) => contentOf(unlocked, id)))
    expect(contents).toEqual(['first', 'second', 'third'])
  })

  test('does not open to whoever held the vault before it', async () => {
    const alpha = await node()
    const old = unlocked
    await next()
    const id = snapshotOf(alpha, 'after')
    expect(() => old.epochs.of(2)).toThrow(expect.objectContaining({ code: 'epoch-unknown' }))
    await expect(contentOf(old, id)).rejects.toMatchObject({ code: 'epoch-unknown' })
  })

  test('says which epoch is lost when its sealed secret is, and opens the others', async () => {
    const alpha = await node()
    const first = snapshotOf(alpha, 'first')
    await next()
    unlocked = await openVault(hub.ports, PASSPHRASE)
    const second = snapshotOf(alpha, 'second', 2)
    await next()
    const statement = fromBase64url(hub.vault.epochs[0]?.statement ?? '')
    statement[statement.length - 70] = (statement[statement.length - 70] ?? 0) ^ 1
    hub.vault.epochs[0] = { epoch: 1, statement: base64url(statement) }
    unlocked = await openVault(hub.ports, PASSPHRASE)
    expect(await contentOf(unlocked, second)).toBe('second')
    await expect(contentOf(unlocked, first)).rejects.toBeInstanceOf(OcmError)
    hub.vault.epochs.shift()
    unlocked = await openVault(hub.ports, PASSPHRASE)
    await expect(contentOf(unlocked, first)).rejects.toMatchObject({
      code: 'epoch-unknown',
      facts: { epoch: 1 },
    })
  })

  test('is taken up by another operator at the next unlock, with the passphrase they have', async () => {
    const otto = await admit(NEW)
    const { plan } = await next()
    expect(plan.handed.map(({ id }) => id)).toEqual([otto])
    const theirs = await as(otto, () => openVault(hub.ports, NEW))
    expect(theirs.vault.sealing.public).toEqual(served().sealing)
    expect(slots().some(({ kind }) => kind === 'handover')).toBe(false)
    // The slot is of the new epoch now, and needs nothing handed to it.
    expect((await as(otto, () => openVault(hub.ports, NEW))).vault.epoch).toBe(2)
    expect((await openVault(hub.ports, PASSPHRASE)).vault.epoch).toBe(2)
  })

  test('can come twice before another operator unlocks', async () => {
    const otto = await admit(NEW)
    const alpha = await node()
    const id = snapshotOf(alpha, 'first')
    await next()
    unlocked = await openVault(hub.ports, PASSPHRASE)
    await next()
    const theirs = await as(otto, () => openVault(hub.ports, NEW))
    expect(theirs.vault.epoch).toBe(3)
    expect(await contentOf(theirs, id)).toBe('first')
  })

  test('leaves nothing to an operator who is removed', async () => {
    const otto = await admit(NEW)
    const { plan } = await next(PASSPHRASE, [otto])
    expect(plan.removed.map(({ id }) => id)).toEqual([otto])
    expect(served().operators.map(({ id }) => id)).toEqual([hub.me.operator])
    expect(hub.vault.slots.some(({ operator }) => operator === otto)).toBe(false)
    await expect(as(otto, () => openVault(hub.ports, NEW))).rejects.toMatchObject({
      code: 'not-found',
    })
  })

  test('names an operator to whom it cannot be handed, and removes nobody who begins it', async () => {
    const otto = await admit(NEW, false)
    expect(planEpoch(unlocked, []).lost.map(({ id }) => id)).toEqual([otto])
    expect(() => planEpoch(unlocked, [unlocked.operator.id])).toThrow(
      expect.objectContaining({ code: 'wrong-use' }),
    )
    expect(() => planEpoch(unlocked, ['f'.repeat(32)])).toThrow(
      expect.objectContaining({ code: 'not-found' }),
    )
  })
})

describe('the recovery kit', () => {
  test('sets a new passphrase and a new signing key, and the old ones are worth nothing', async () => {
    const alpha = await node()
    const id = snapshotOf(alpha, 'kept')
    await recoverVault(hub.ports, { code: kit.code, passphrase: NEW, password: PASSWORD })
    const again = await openVault(hub.ports, NEW)
    expect(await contentOf(again, id)).toBe('kept')
    expect(again.operator.id).toBe(unlocked.operator.id)
    expect(again.operator.key.public).not.toEqual(unlocked.operator.key.public)
    expect(served().operators).toEqual([listedOperator(p, again.operator)])
    await expect(openVault(hub.ports, PASSPHRASE)).rejects.toMatchObject({
      code: 'passphrase-wrong',
    })
    // What it was before is no slot of this vault's any more, even where somebody kept a copy of it.
    expect(hub.vault.slots).toHaveLength(2)
  })

  test('opens with its code only, and leaves everything as it was with another', async () => {
    const before = hub.vault
    const code = kit.code.replace(/^./, (letter) => (letter === '0' ? '1' : '0'))
    await expect(
      recoverVault(hub.ports, { code, passphrase: NEW, password: PASSWORD }),
    ).rejects.toMatchObject({ code: 'recovery-code-wrong' })
    expect(hub.vault).toEqual(before)
  })

  test('brings back nobody whom the record does not list', async () => {
    await expect(
      as('e'.repeat(32), () =>
        recoverVault(hub.ports, { code: kit.code, passphrase: NEW, password: PASSWORD }),
      ),
    ).rejects.toMatchObject({ code: 'not-allowed' })
  })
})

describe('a retired node', () => {
  test('has snapshots that can be read and say so', async () => {
    const alpha = await node()
    const id = snapshotOf(alpha, 'kept')
    const state = hub.nodes[0]
    if (state === undefined) throw new Error('no node')
    unlocked = await retireNodeHere(state)
    expect((await openSnapshot(hub.ports, unlocked, id)).retired).toBe(true)
    expect(await contentOf(unlocked, id)).toBe('kept')
  })

  test('cannot lend its key to another node that the hub would like to see', async () => {
    const alpha = await node()
    const beta = joinNode(p, hub, 'beta')
    const state = hub.nodes[0]
    if (state === undefined) throw new Error('no node')
    unlocked = await retireNodeHere(state)
    const forged = takeSnapshot(p, hub, served(), { ...beta, identity: alpha.identity }, [
      { path: 'a.txt', content: 'forged', travel: 'always' },
    ])
    await expect(openSnapshot(hub.ports, unlocked, forged)).rejects.toMatchObject({
      code: 'node-unconfirmed',
    })
  })
})

test('neither passphrase nor code nor a secret is sent', async () => {
  const secrets: Uint8Array[] = [unlocked.vault.sealing.secret, unlocked.vault.root.secret].map(
    (s) => s.slice(),
  )
  const { kit: fresh } = await next()
  await recoverVault(hub.ports, { code: fresh.code, passphrase: NEW, password: PASSWORD })
  const opened = await openVault(hub.ports, NEW)
  secrets.push(opened.vault.sealing.secret, opened.operator.key.secret)
  const bodies = hub.asked.map(({ body }) => body as { change?: string } | undefined)
  const changes = bodies.map((body) => fromBase64url(body?.change ?? ''))
  const sent = Buffer.from(concat(...changes, utf8(JSON.stringify(bodies)))).toString('latin1')
  const words = [NEW, PASSPHRASE, PASSWORD, kit.code, fresh.code, fresh.code.replaceAll('-', '')]
  for (const word of words) expect(sent).not.toContain(word)
  for (const secret of secrets) {
    expect(sent).not.toContain(Buffer.from(secret).toString('latin1'))
  }
  // The record that was sent is found, so a secret would have been.
  expect(sent).toContain(Buffer.from(opened.vault.sealing.public).toString('latin1'))
})
