import {
  base64url,
  fingerprint,
  fromBase64url,
  readVaultRecord,
  signVaultRecord,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { beforeEach, describe, expect, test } from 'vitest'
import { type PaperHub, hasty, paperHub } from '../paper/hub.ts'
import { joinNode } from '../paper/node.ts'
import { confirmByFingerprint, confirmNodes, confirmedKey, retireNode } from './nodes.ts'
import { prepareSetup } from './setup.ts'
import { issueTicket } from './ticket.ts'
import { type Unlocked, openVault } from './unlock.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'

let hub: PaperHub
let unlocked: Unlocked

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
})

async function ticketFor(label: string) {
  const { join } = await issueTicket(hub.ports, unlocked, { label, ttlMs: 60_000 })
  return { join, statement: hub.tickets.at(-1) ?? '' }
}
const served = () =>
  readVaultRecord(p, unlocked.vault.root.public, fromBase64url(hub.vault.record), 0)
const swapKey = (id: string, key: Uint8Array) => {
  hub.nodes = hub.nodes.map((node) => (node.id === id ? { ...node, key: base64url(key) } : node))
}

describe('confirming nodes', () => {
  test('lists a node that joined with a ticket under the key that joined', async () => {
    const node = joinNode(p, hub, 'alpha', await ticketFor('alpha'))
    const outcome = await confirmNodes(hub.ports, unlocked)
    expect(outcome.confirmed.map(({ id }) => id)).toEqual([node.id])
    expect(served()).toMatchObject({
      serial: 2,
      nodes: [{ id: node.id, key: node.identity.public }],
    })
    expect(confirmedKey(outcome.unlocked, node.id)).toEqual(node.identity.public)
  })

  test('writes no record when there is nobody new', async () => {
    joinNode(p, hub, 'alpha', await ticketFor('alpha'))
    const { unlocked: next } = await confirmNodes(hub.ports, unlocked)
    await confirmNodes(hub.ports, next)
    expect(served().serial).toBe(2)
  })

  test('refuses a node whose key the hub swapped at enrolment', async () => {
    const node = joinNode(p, hub, 'alpha', await ticketFor('alpha'))
    swapKey(node.id, p.ed25519Pair().public)
    const outcome = await confirmNodes(hub.ports, unlocked)
    expect(outcome.alarms.map(({ id }) => id)).toEqual([node.id])
    expect(served().nodes).toEqual([])
    expect(() => confirmedKey(outcome.unlocked, node.id)).toThrow(
      expect.objectContaining({ code: 'node-unconfirmed' }),
    )
  })

  test('refuses another key in the place of a confirmed node', async () => {
    const node = joinNode(p, hub, 'alpha', await ticketFor('alpha'))
    const { unlocked: next } = await confirmNodes(hub.ports, unlocked)
    swapKey(node.id, p.ed25519Pair().public)
    const outcome = await confirmNodes(hub.ports, next)
    expect(outcome.alarms.map(({ id }) => id)).toEqual([node.id])
    expect(confirmedKey(outcome.unlocked, node.id)).toEqual(node.identity.public)
  })

  test('refuses a node that joined another hub', async () => {
    const ticket = await ticketFor('alpha')
    const other = p.ed25519Pair().public
    const elsewhere = await issueTicket(
      hub.ports,
      { ...unlocked, hub: other },
      {
        label: 'alpha',
        ttlMs: 60_000,
      },
    )
    joinNode(p, hub, 'alpha', { statement: hub.tickets.at(-1) ?? '', join: elsewhere.join })
    expect((await confirmNodes(hub.ports, unlocked)).alarms).toHaveLength(1)
    expect(ticket.statement).not.toBe('')
    expect(served().nodes).toEqual([])
  })

  test('refuses a ticket that the vault did not sign', async () => {
    const stranger = paperHub(p)
    const { request } = await prepareSetup(p, {
      name: 'mallory',
      password: 'login-of-mallory',
      passphrase: PASSPHRASE,
      hubKey: hub.vault.hubKey,
      now: 0,
    })
    stranger.accept(request)
    stranger.vault = { ...stranger.vault, hubKey: hub.vault.hubKey }
    const theirs = await openVault(stranger.ports, PASSPHRASE)
    const { join } = await issueTicket(stranger.ports, theirs, { label: 'x', ttlMs: 60_000 })
    joinNode(p, hub, 'x', { join, statement: stranger.tickets.at(-1) ?? '' })
    expect((await confirmNodes(hub.ports, unlocked)).alarms).toHaveLength(1)
  })

  test('refuses two nodes of one ticket', async () => {
    const ticket = await ticketFor('alpha')
    joinNode(p, hub, 'alpha', ticket)
    joinNode(p, hub, 'beta', ticket)
    const outcome = await confirmNodes(hub.ports, unlocked)
    expect(outcome.alarms.map(({ label }) => label)).toEqual(['alpha', 'beta'])
    expect(served().nodes).toEqual([])
  })

  test('leaves a node without a ticket to its fingerprint', async () => {
    const node = joinNode(p, hub, 'alpha')
    const outcome = await confirmNodes(hub.ports, unlocked)
    expect(outcome.unproven.map(({ id }) => id)).toEqual([node.id])
    const state = hub.nodes[0]
    if (state === undefined) throw new Error('node')

    const wrong = fingerprint(p, p.ed25519Pair().public)
    await expect(confirmByFingerprint(hub.ports, unlocked, state, wrong)).rejects.toMatchObject({
      code: 'node-unconfirmed',
    })
    const typed = fingerprint(p, node.identity.public).toUpperCase().replaceAll('-', ' ')
    await confirmByFingerprint(hub.ports, unlocked, state, typed)
    expect(served().nodes.map(({ id }) => id)).toEqual([node.id])
  })
})

test('a retired node is revoked by its key and not let in again', async () => {
  const node = joinNode(p, hub, 'alpha', await ticketFor('alpha'))
  const { unlocked: next } = await confirmNodes(hub.ports, unlocked)
  const [state] = hub.nodes
  if (state === undefined) throw new Error('node')
  await retireNode(hub.ports, next, state)
  expect(served()).toMatchObject({ serial: 3, nodes: [], revoked: [node.identity.public] })
  const outcome = await confirmNodes(hub.ports, { ...next, record: served() })
  expect(outcome.alarms).toHaveLength(1)
})

describe('opening the vault', () => {
  test('tells a wrong passphrase', async () => {
    await expect(openVault(hub.ports, 'something else entirely')).rejects.toMatchObject({
      code: 'passphrase-wrong',
    })
  })

  test('refuses a record older than one already seen', async () => {
    const old = hub.vault.record
    joinNode(p, hub, 'alpha', await ticketFor('alpha'))
    await confirmNodes(hub.ports, unlocked)
    hub.vault = { ...hub.vault, record: old }
    await expect(openVault(hub.ports, PASSPHRASE)).rejects.toMatchObject({
      code: 'vault-record-stale',
    })
  })

  test('refuses a record that another root signed, whatever root the hub shows', async () => {
    const other = p.ed25519Pair()
    const forged = { ...unlocked.vault, root: other }
    const record = signVaultRecord(p, forged, { ...unlocked.record, serial: 9 })
    hub.vault = { ...hub.vault, record: base64url(record) }
    await expect(openVault(hub.ports, PASSPHRASE)).rejects.toMatchObject({
      code: 'signature-invalid',
    })
    hub.vault = { ...hub.vault, root: base64url(other.public) }
    await expect(openVault(hub.ports, PASSPHRASE)).rejects.toMatchObject({ code: 'vault-changed' })
  })

  test('refuses a hub whose key is not in the record', async () => {
    hub.vault = { ...hub.vault, hubKey: base64url(p.ed25519Pair().public) }
    await expect(openVault(hub.ports, PASSPHRASE)).rejects.toMatchObject({
      code: 'hub-key-changed',
    })
  })

  test('leaves no key behind when it is closed', () => {
    unlocked.close()
    const { vault, operator } = unlocked
    for (const { secret } of [vault.root, vault.sealing, operator.key]) {
      expect(secret.every((byte) => byte === 0)).toBe(true)
    }
  })
})
