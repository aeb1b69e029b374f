import { nodePrimitives as p } from '@ocm/protocol/node'
import { type IdentityPrint, fleetKeyOf, identityPrint } from '@ocm/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestAgent } from '../testing/agent.ts'
import { TestHub } from '../testing/hub.ts'
import { twinsAmong } from './twins.ts'

let hub: TestHub
beforeAll(async () => {
  hub = await TestHub.ready()
})
afterAll(() => hub.close())

const print = (kind: IdentityPrint['kind'], value: string): IdentityPrint => ({
  kind,
  print: identityPrint(p, fleetKeyOf(p, hub.vault), kind, value),
})
async function joined(fingerprints?: readonly IdentityPrint[]): Promise<TestAgent> {
  const agent = await TestAgent.enrolled(hub, (session) => {
    session.handle(
      'capture',
      (_params, _body, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
  })
  await backedUp(agent, fingerprints)
  return agent
}
async function backedUp(agent: TestAgent, fingerprints?: readonly IdentityPrint[]) {
  const { id: job } = (await hub.call('POST', '/api/jobs', { kind: 'backup', node: agent.id })).body
  const change = fingerprints === undefined ? {} : { fingerprints: [...fingerprints] }
  await agent.capture(job, [p.random(50)], change)
  await hub.call('POST', `/api/jobs/${job}/cancel`, {})
}
const known = (id: string, prints: readonly IdentityPrint[], speaks = true) => ({
  id,
  prints,
  speaks,
})
const stateOf = async ({ id }: TestAgent) => (await hub.call('GET', `/api/nodes/${id}`)).body

describe('nodes that go by one identity', () => {
  test('are an alarm that names the other and what they share, until they share it no more', async () => {
    const [token, device] = [print('bot-token', '1:abc'), print('device-key', 'd')]
    const one = await joined([token, device])
    const copy = await joined([token, print('device-key', 'another'), device])
    const other = await joined([print('bot-token', '2:xyz')])
    const older = await joined()

    const kinds = ['bot-token', 'device-key']
    expect(await stateOf(one)).toMatchObject({ checked: true, twins: [{ node: copy.id, kinds }] })
    expect(await stateOf(copy)).toMatchObject({ checked: true, twins: [{ node: one.id, kinds }] })
    expect(await stateOf(other)).toMatchObject({ checked: true, twins: [] })
    expect(await stateOf(older)).toMatchObject({ checked: false, twins: [] })

    expect((await hub.call('GET', '/metrics')).body).toMatch(/^ocm_nodes_twins 2$/m)

    await backedUp(copy, [print('bot-token', '3:own')])
    expect((await hub.call('GET', '/metrics')).body).toMatch(/^ocm_nodes_twins 0$/m)
    expect(await stateOf(one)).toMatchObject({ twins: [] })
    expect(await stateOf(copy)).toMatchObject({ twins: [] })
  })

  test('are none when one of them is retired', async () => {
    const token = print('bot-token', 'of two')
    const [one, copy] = [await joined([token]), await joined([token])]
    expect((await stateOf(one)).twins).toHaveLength(1)
    await hub.call('POST', `/api/nodes/${copy.id}/retire`, {})
    expect((await stateOf(one)).twins).toEqual([])
  })

  test('are told for each pair of three, and nothing is made of one value under two kinds', () => {
    const shared = print('bot-token', 'x')
    const twins = twinsAmong([
      known('a', [shared]),
      known('b', [shared, print('channel-account', 'y')]),
      known('c', [shared]),
      known('moved away', [shared], false),
      known('d', [print('bot-token', 'y')]),
    ])
    expect([...twins.keys()]).toEqual(['a', 'b', 'c'])
    expect(twins.get('a')?.map(({ node }) => node)).toEqual(['b', 'c'])
  })
})
