import { afterEach, beforeEach, expect, test } from 'vitest'
import { base64url, failedCapability, makeRelease, releaseCapability } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { TestAgent } from '../testing/agent.ts'
import { TestHub } from '../testing/hub.ts'

let hub: TestHub
beforeEach(async () => {
  hub = await TestHub.ready()
})
afterEach(() => hub.close())

const key = p.ed25519Pair()
const program = p.random(150_000)
const offer = (serial: number) =>
  hub.call('PUT', '/api/agent-release', {
    release: base64url(makeRelease(p, { version: '0.2.0', serial }, program, key)),
  })
const state = async () => (await hub.call('GET', '/api/agent-release')).body

interface Updating {
  readonly agent: TestAgent
  /** Fulfilled with what it fetched when it is asked to update. */
  readonly asked: Promise<Uint8Array>
  wasAsked: boolean
}

/** A node whose agent takes updates; its backups last until they are cancelled. */
async function updating(): Promise<Updating> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>()
  const agent = await TestAgent.enrolled(hub, (session) => {
    session.handle(
      'capture',
      (_params, _body, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
    session.handle('update', async () => {
      made.wasAsked = true
      const params = { serial: 2, offset: 0, length: program.length }
      const { body } = await session.request('release.get', params)
      const parts: Uint8Array[] = []
      for await (const part of body) parts.push(part.slice())
      resolve(new Uint8Array(Buffer.concat(parts)))
      return {}
    })
  })
  const made: Updating = { agent, asked: promise, wasAsked: false }
  await agent.dial({ capabilities: [releaseCapability(1)] })
  return made
}
const nodeOf = async ({ agent }: Updating) =>
  (await hub.call('GET', `/api/nodes/${agent.id}`)).body as { readonly update?: string }

test('a node is asked when no job is at work on it, and not before', async () => {
  const node = await updating()
  const job = (await hub.call('POST', '/api/jobs', { kind: 'backup', node: node.agent.id })).body
  expect(await offer(2)).toMatchObject({ status: 200, body: { state: 'rolling', serial: 2 } })
  expect(await nodeOf(node)).toMatchObject({ update: 'waiting' })
  expect(node.wasAsked).toBe(false)
  await hub.call('POST', `/api/jobs/${job.id}/cancel`, {})
  expect(await node.asked).toEqual(program)
  expect(await nodeOf(node)).toMatchObject({ update: 'asked' })

  await node.agent.dial({ capabilities: [releaseCapability(2)] })
  await expect.poll(state).toMatchObject({ state: 'rolling', done: [node.agent.id] })
  expect(await nodeOf(node)).not.toHaveProperty('update')
})

test('one that went back stops it, also for a hub that was started anew; offered again it goes on', async () => {
  const node = await updating()
  await offer(2)
  await node.asked
  await node.agent.dial({ capabilities: [releaseCapability(1), failedCapability(2)] })
  await expect.poll(state).toMatchObject({ state: 'stopped', failed: node.agent.id })
  expect(await nodeOf(node)).toMatchObject({ update: 'failed' })
  await hub.stop()
  await hub.restart()
  expect(await state()).toMatchObject({ state: 'stopped', failed: node.agent.id, serial: 2 })

  expect((await offer(1)).body).toMatchObject({ code: 'release-refused' })
  expect((await offer(3)).body).toMatchObject({ state: 'rolling', failed: null })
  await hub.call('DELETE', '/api/agent-release')
  expect(await state()).toBeNull()
})

test('an agent that takes no updates is left alone, and what is no release is refused', async () => {
  const agent = await TestAgent.enrolled(hub)
  await offer(2)
  expect((await hub.call('GET', `/api/nodes/${agent.id}`)).body).not.toHaveProperty('update')
  const damaged = makeRelease(p, { version: 'x', serial: 3 }, program, key)
  damaged[75_000] = (damaged[75_000] ?? 0) ^ 1
  const body = { release: base64url(damaged) }
  expect((await hub.call('PUT', '/api/agent-release', body)).body.code).toBe('malformed')
  expect(await state()).toMatchObject({ serial: 2 })
})
