import {
  type Job,
  OcmError,
  type SshConnection,
  type SshCredential,
  base64url,
  fromUtf8,
  openDelegation,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives } from '@ocm/protocol/node'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { type PaperHub, hasty, paperHub } from '../paper/hub.ts'
import { joinNode } from '../paper/node.ts'
import { prepareSetup } from '../vault/setup.ts'
import { issueTicket } from '../vault/ticket.ts'
import { type Unlocked, openVault } from '../vault/unlock.ts'
import { lookAt } from './lease.ts'
import { type Lender, createLender } from './lender.ts'
import { delegate, keepConnection, keepCredential, openConnection } from './stored.ts'

const p = hasty(nodePrimitives)
const PASSPHRASE = 'velvet harbour quartz meadow lantern osprey'
const HOST_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from('ssh-ed25519'),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString('base64')}`
const connection: SshConnection = {
  v: 1,
  host: '192.0.2.7',
  port: 22,
  user: 'claw',
  hostKeys: [HOST_KEY],
  method: 'password',
}
const typed = (text: string): SshCredential => ({
  v: 1,
  auth: { kind: 'password', password: utf8(text) },
})
const waiting = (asks: string[]) => ({ asks }) as unknown as Job

let hub: PaperHub
let unlocked: Unlocked
let node: string

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
  const { join } = await issueTicket(hub.ports, unlocked, { label: 'alpha', ttlMs: 60_000 })
  node = joinNode(p, hub, 'alpha', { join, statement: hub.tickets.at(-1) ?? '' }).id
  hub.nodes = hub.nodes.map((one) => ({ ...one, reach: 'ssh', online: false }))
  await keepConnection(hub.ports, unlocked, node, connection)
})

const drop = () => (hub.nodes = hub.nodes.map((one) => ({ ...one, online: false })))
const lentPasswords = () =>
  hub.ssh.lent.map(({ auth }) => (auth?.kind === 'password' ? fromUtf8(auth.password) : ''))

/** Leaves a lender while its lease is being asked for. */
const leaving = async (how: (lender: Lender) => unknown) => {
  const { api } = hub.ports
  const gate = Promise.withResolvers<void>()
  const askLease = api.askLease.bind(api)
  const held = vi.spyOn(api, 'askLease').mockImplementation(async (request) => {
    await gate.promise
    return askLease(request)
  })
  const given = typed('secret')
  const lender = createLender(hub.ports, unlocked, { credential: () => Promise.resolve(given) })
  const connecting = lender.connect([node])
  await expect.poll(() => held.mock.calls).toHaveLength(1)
  const left = how(lender)
  gate.resolve()
  await Promise.all([connecting, left])
  return { lender, given }
}

describe('how a node is reached', () => {
  test('is read by who opens the vault, and stands nowhere in what the hub keeps', async () => {
    expect(await openConnection(hub.ports, unlocked, node)).toEqual(connection)
    const kept = Buffer.from(hub.ssh.nodes.get(node)?.connection ?? '', 'base64url')
    for (const word of ['192.0.2.7', 'claw']) expect(kept.includes(word)).toBe(false)
  })

  test('of another node, or altered, is refused', async () => {
    const stored = await hub.ports.api.sshOf(node)
    hub.ssh.nodes.set('0'.repeat(32), stored)
    await expect(openConnection(hub.ports, unlocked, '0'.repeat(32))).rejects.toMatchObject({
      code: 'seal-broken',
    })
    const bytes = Buffer.from(stored.connection ?? '', 'base64url')
    bytes[bytes.length - 70] = (bytes[bytes.length - 70] ?? 0) ^ 1
    hub.ssh.nodes.set(node, { ...stored, connection: base64url(bytes) })
    await expect(openConnection(hub.ports, unlocked, node)).rejects.toMatchObject({
      code: expect.stringMatching(/signature-invalid|malformed/),
    })
  })

  test('is refused when it is older than what was seen, until it is said anew', async () => {
    const old = await hub.ports.api.sshOf(node)
    await keepCredential(hub.ports, unlocked, node, typed('first'))
    const before = await hub.ports.api.sshOf(node)
    await keepConnection(hub.ports, unlocked, node, { ...connection, host: '192.0.2.8' })
    await keepCredential(hub.ports, unlocked, node, typed('second'))
    const now = await hub.ports.api.sshOf(node)
    const lender = createLender(hub.ports, unlocked, {
      credential: () => Promise.resolve(typed('typed')),
    })
    const { credential, connection: older } = before
    for (const state of [{ connection: older }, { credential }]) {
      hub.ssh.nodes.set(node, { ...now, ...state })
      await expect(lender.connect([node])).rejects.toMatchObject({ code: 'ssh-stored-stale' })
    }
    expect(hub.ssh.lent).toEqual([])
    hub.ssh.nodes.set(node, old)
    await keepConnection(hub.ports, unlocked, node, connection)
    expect(await openConnection(hub.ports, unlocked, node)).toEqual(connection)
    await lender.connect([node])
    expect(lentPasswords()).toEqual(['typed'])
    await lender.close()
  })

  test('is looked at without a credential', async () => {
    hub.ssh.hostKeys = [HOST_KEY]
    const bare = { ...connection, hostKeys: [] }
    expect(await lookAt(hub.ports, bare)).toEqual([HOST_KEY])
    expect(hub.ssh.lent).toEqual([{ v: 1, connection: bare }])
  })
})

describe('a lender', () => {
  const asked: string[] = []
  const lenderOf = (failed: unknown[] = []) =>
    createLender(hub.ports, unlocked, {
      credential: ({ label }) => {
        asked.push(label)
        return Promise.resolve(typed('secret'))
      },
      onFailed: (_, error) => failed.push(error),
    })
  beforeEach(() => asked.splice(0))

  test('asks for what is not stored, once, and lends it with the pinned host key', async () => {
    const lender = lenderOf()
    await lender.connect([node])
    await lender.connect([node])
    expect([asked, lentPasswords()]).toEqual([['alpha'], ['secret']])
    expect(hub.ssh.lent[0]?.connection).toEqual(connection)
    drop()
    await lender.connect([node])
    expect([asked, lentPasswords()]).toEqual([['alpha'], ['secret', 'secret']])
  })

  test('takes a stored credential and asks nobody', async () => {
    await keepCredential(hub.ports, unlocked, node, typed('stored'))
    await lenderOf().connect([node])
    expect([asked, lentPasswords()]).toEqual([[], ['stored']])
  })

  test('asks nothing for nodes that are connected, or have an agent of their own', async () => {
    hub.nodes = hub.nodes.map((one) => ({ ...one, online: true }))
    await lenderOf().connect([node])
    hub.nodes = hub.nodes.map((one) => ({ ...one, online: false, reach: 'agent' }))
    await lenderOf().connect([node])
    expect([asked, hub.ssh.lent]).toEqual([[], []])
  })

  test('says why a connection was not made', async () => {
    hub.ssh.fails = 'ssh-host-key-changed'
    await expect(lenderOf().connect([node])).rejects.toMatchObject({ code: 'ssh-host-key-changed' })
  })

  test('lends again when a job asks, but not what was refused', async () => {
    const failed: unknown[] = []
    const lender = lenderOf(failed)
    await lender.connect([node])
    lender.heed(waiting([]))
    lender.heed(waiting(['f'.repeat(32)]))
    expect(lentPasswords()).toHaveLength(1)
    hub.ssh.fails = 'ssh-auth-failed'
    lender.heed(waiting([node]))
    await expect.poll(() => failed).toMatchObject([{ code: 'ssh-auth-failed' }])
    lender.heed(waiting([node]))
    await lender.close()
    expect(lentPasswords()).toHaveLength(2)
  })

  test('ends its leases and wipes what it holds', async () => {
    const given = typed('secret')
    const lender = createLender(hub.ports, unlocked, { credential: () => Promise.resolve(given) })
    await lender.connect([node])
    await lender.close()
    expect(hub.ssh.leases).toMatchObject([{ state: 'released' }])
    expect(given.auth).toEqual({ kind: 'password', password: new Uint8Array(6) })
  })

  describe('that is left while a lease is being asked for', () => {
    const zeroes = { kind: 'password', password: new Uint8Array(6) }

    test('lends what was given, wipes it then, and ends that lease when it closes', async () => {
      const { given } = await leaving((lender) => lender.close())
      expect(lentPasswords()).toEqual(['secret'])
      expect(given.auth).toEqual(zeroes)
      expect(hub.ssh.leases).toMatchObject([{ state: 'released' }])
    })

    test('lends what was given, wipes it then, and lends no more when it forgets', async () => {
      const { given, lender } = await leaving((one) => one.forget())
      expect(lentPasswords()).toEqual(['secret'])
      await expect.poll(() => given.auth).toEqual(zeroes)
      expect(hub.ssh.leases).toMatchObject([{ state: 'connected' }])
      drop()
      await expect(lender.connect([node])).rejects.toMatchObject({ code: 'ssh-lease-ended' })
    })
  })

  test('wipes what is typed after it was left', async () => {
    const given = typed('secret')
    const gate = Promise.withResolvers<SshCredential>()
    let isAsked = false
    const credential = () => {
      isAsked = true
      return gate.promise
    }
    const lender = createLender(hub.ports, unlocked, { credential })
    const connecting = lender.connect([node])
    await expect.poll(() => isAsked).toBe(true)
    lender.forget()
    gate.resolve(given)
    await expect(connecting).rejects.toMatchObject({ code: 'ssh-lease-ended' })
    expect(given.auth).toEqual({ kind: 'password', password: new Uint8Array(6) })
  })

  test('does not lend for a node that is dialled from an operator’s own machine', async () => {
    await keepConnection(hub.ports, unlocked, node, { ...connection, method: 'agent' })
    await expect(lenderOf().connect([node])).rejects.toMatchObject({ code: 'ssh-dial-only' })
    expect(asked).toEqual([])
  })
})

test('a delegation opens with the key of the hub, for its node alone', async () => {
  await delegate(hub.ports, unlocked, node, typed('secret'))
  const put = hub.asked.findLast(({ what }) => what === `PUT /api/nodes/${node}/ssh`)
  const sealed = Buffer.from(
    (put?.body as { delegation: string } | undefined)?.delegation ?? '',
    'base64url',
  )
  const opened = openDelegation(p, hub.ssh.delegate, node, sealed)
  expect(opened).toMatchObject({ connection, auth: { kind: 'password' } })
  expect(() => openDelegation(p, hub.ssh.delegate, '0'.repeat(32), sealed)).toThrow(OcmError)
})
