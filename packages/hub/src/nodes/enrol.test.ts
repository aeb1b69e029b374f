import { base64url, createVault, issueTicket } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestAgent } from '../testing/agent.ts'
import { TestHub } from '../testing/hub.ts'

let hub: TestHub
let at = 1_000_000_000_000
beforeAll(async () => {
  // Each agent's own address is believed; with that of this machine they would share one limit.
  hub = await TestHub.ready({ now: () => at, trustedProxies: ['127.0.0.1'] })
})
afterAll(() => hub.close())

const nodes = async () => (await hub.call('GET', '/api/nodes')).body as { id: string }[]

test('makes a node of a ticket and a key, shows it at once, and burns the ticket', async () => {
  const { ticket, secret } = await hub.ticket()
  const agent = new TestAgent(hub)
  await agent.join(ticket.id, secret)
  const node = (await hub.call('GET', `/api/nodes/${agent.id}`)).body
  expect(node).toMatchObject({
    label: 'a node',
    online: true,
    confirmed: false,
    state: 'active',
    enrolledAt: at,
    key: base64url(agent.key.public),
  })
  const [newest] = (await hub.call('GET', '/api/tickets')).body
  expect(newest).toMatchObject({ id: ticket.id, state: 'used', node: agent.id })
})

describe('refuses', () => {
  test('a ticket that nobody issued', async () => {
    const join = new TestAgent(hub).join('0'.repeat(32), p.random(32))
    await expect(join).rejects.toMatchObject({ code: 'ticket-unknown' })
  })

  test('a ticket that has expired, by its own clock', async () => {
    const { ticket, secret } = await hub.ticket(60_000)
    at += 60_000
    const join = new TestAgent(hub).join(ticket.id, secret)
    await expect(join).rejects.toMatchObject({ code: 'ticket-expired' })
  })

  test('a ticket that another key has used', async () => {
    const { ticket, secret } = await hub.ticket()
    await new TestAgent(hub).join(ticket.id, secret)
    const join = new TestAgent(hub).join(ticket.id, secret)
    await expect(join).rejects.toMatchObject({ code: 'ticket-used' })
  })

  test('a secret that is not the one of the ticket', async () => {
    const { ticket } = await hub.ticket()
    const join = new TestAgent(hub).join(ticket.id, p.random(32))
    await expect(join).rejects.toMatchObject({ code: 'ticket-altered' })
  })

  test('an enrolment that was signed for another key, and does not burn the ticket for it', async () => {
    const { ticket, secret } = await hub.ticket()
    const thief = new TestAgent(hub)
    const stolen = thief.join(ticket.id, secret, { node: p.ed25519Pair().public })
    await expect(stolen).rejects.toMatchObject({ code: 'ticket-altered' })
    await new TestAgent(hub).join(ticket.id, secret)
  })

  test('a key that is a node already', async () => {
    const agent = await TestAgent.enrolled(hub)
    const { ticket, secret } = await hub.ticket()
    const join = new TestAgent(hub, undefined, agent.key).join(ticket.id, secret)
    await expect(join).rejects.toMatchObject({ code: 'already-enrolled' })
  })

  test('a key that never joined', async () => {
    await expect(new TestAgent(hub).dial()).rejects.toMatchObject({ code: 'node-unknown' })
  })
})

test('lets one of many in that use the same ticket at once', async () => {
  const before = (await nodes()).length
  const { ticket, secret } = await hub.ticket()
  const tries = await Promise.allSettled(
    Array.from({ length: 8 }, () => new TestAgent(hub).join(ticket.id, secret)),
  )
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await nodes()).toHaveLength(before + 1)
})

test('answers the same agent again when the first answer was lost', async () => {
  const { ticket, secret } = await hub.ticket()
  const agent = new TestAgent(hub)
  await agent.join(ticket.id, secret)
  const { id } = agent
  agent.cut()
  agent.seq = 0
  await agent.join(ticket.id, secret)
  expect(agent.id).toBe(id)
})

test('takes a ticket only from the vault it serves', async () => {
  const another = issueTicket(p, createVault(p), { label: 'x', expiresAt: at + 1000 })
  const answer = await hub.call('POST', '/api/tickets', { statement: base64url(another.statement) })
  expect(answer.body.code).toBe('signature-invalid')
})

describe('two machines with one identity', () => {
  test('are both shut out, and the operator sees which node it is', async () => {
    const agent = await TestAgent.enrolled(hub)
    const copy = new TestAgent(hub, undefined, agent.key)
    copy.seq = agent.seq
    agent.cut()
    await agent.dial()
    await expect(copy.dial()).rejects.toMatchObject({ code: 'node-cloned' })
    expect(await agent.session?.closed).toMatchObject({ code: 'node-cloned' })
    await expect(agent.dial()).rejects.toMatchObject({ code: 'node-cloned' })
    expect((await hub.call('GET', `/api/nodes/${agent.id}`)).body.state).toBe('quarantined')
  })

  test('are one again when an operator says so, and found again when they are not', async () => {
    const agent = await TestAgent.enrolled(hub)
    const copy = new TestAgent(hub, undefined, agent.key)
    copy.seq = agent.seq
    agent.cut()
    await agent.dial()
    await expect(copy.dial()).rejects.toMatchObject({ code: 'node-cloned' })
    const readmitted = await hub.call('POST', `/api/nodes/${agent.id}/readmit`)
    expect(readmitted.body.state).toBe('active')
    await copy.dial()
    await expect(agent.dial()).rejects.toMatchObject({ code: 'node-cloned' })
  })

  test('are not seen in one that reconnects, also when a welcome was lost', async () => {
    const agent = await TestAgent.enrolled(hub)
    const { seq } = agent
    await agent.dial()
    agent.seq = seq + 1
    await agent.dial()
    await agent.dial()
    expect((await hub.call('GET', `/api/nodes/${agent.id}`)).body).toMatchObject({
      state: 'active',
      online: true,
    })
  })
})

describe('retiring', () => {
  test('ends the conversation and lets the node in no more', async () => {
    const agent = await TestAgent.enrolled(hub)
    const answer = await hub.call('POST', `/api/nodes/${agent.id}/retire`, {})
    expect(answer.body.state).toBe('revoked')
    expect(await agent.session?.closed).toMatchObject({ code: 'node-revoked' })
    await expect(agent.dial()).rejects.toMatchObject({ code: 'node-revoked' })
  })

  test('follows from a vault record that revokes the key', async () => {
    const agent = await TestAgent.enrolled(hub)
    await hub.confirm({ id: agent.id, key: agent.key.public })
    expect((await hub.call('GET', `/api/nodes/${agent.id}`)).body.confirmed).toBe(true)
    await hub.putRecord({ revoked: [agent.key.public] })
    expect(await agent.session?.closed).toMatchObject({ code: 'node-revoked' })
  })
})

describe('a vault record', () => {
  test('is taken when it is the next one, and given to nodes from then on', async () => {
    const serial = hub.record?.serial ?? 0
    expect((await hub.putRecord({})).status).toBe(200)
    expect((await hub.putRecord({ serial })).body.code).toBe('vault-record-stale')
    expect((await hub.putRecord({ serial: serial + 3 })).body.code).toBe('vault-record-stale')
    const agent = await TestAgent.enrolled(hub)
    const { record } = (await hub.call('GET', '/api/vault')).body
    expect(agent.welcome?.record).toBe(record)
  })

  test('is refused when this hub is not in it: no agent would follow', async () => {
    expect((await hub.putRecord({ hubs: [] })).body.code).toBe('malformed')
  })
})

test('keeps the label that an operator gives', async () => {
  const agent = await TestAgent.enrolled(hub)
  await hub.call('PATCH', `/api/nodes/${agent.id}`, { label: 'garage' })
  expect((await hub.call('GET', `/api/nodes/${agent.id}`)).body.label).toBe('garage')
})
