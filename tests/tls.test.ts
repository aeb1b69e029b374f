/** A hub with a certificate of its own: `ocm` and an agent take exactly that one, and whoever is in between learns nothing. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OPENCLAW } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import {
  type Operator,
  type Running,
  type RunningHub,
  joinAgent,
  operatorAt,
  startAgent,
  startHub,
} from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

let ground: string
let hub: RunningHub
let operator: Operator
let agent: Running | undefined
let certificate: string

beforeAll(async () => {
  ground = freshMachine('tls')
  hub = await startHub(join(ground, 'hub'), { more: ['--tls', 'self'] })
  certificate = /SHA-256 (\S+)/.exec(hub.output())?.[1] ?? ''
  operator = operatorAt(join(ground, 'desk'), hub.url, { OCM_CERTIFICATE: certificate })
})
afterAll(async () => {
  await agent?.stop()
  await hub?.stop()
})

test('nobody who cannot compare is led to believe a certificate', async () => {
  const stranger = operatorAt(join(ground, 'stranger'), hub.url)
  const refused = await stranger.ocm('login', '--name', 'olivia', '--yes', '--json')
  expect(JSON.parse(refused.out)).toMatchObject({
    code: 'certificate-unknown',
    facts: { shown: certificate },
  })
})

test('set-up, a node that joins and its link go over TLS with the pinned certificate', async () => {
  expect(hub.url).toMatch(/^https:/)
  await operator.json('setup', '--link', hub.setupLink, '--name', 'olivia')
  const home = smallHome(join(ground, 'machine'), 28_990)
  const place = { state: join(ground, 'agent'), home, openclaw: OPENCLAW }
  const { join: joinString } = await operator.json<{ join: string }>('ticket', '--label', 'alpha')
  expect(await joinAgent(place, joinString)).toMatchObject({ code: 0 })
  agent = startAgent(place)
  // From here on what was pinned at set-up counts, without being named.
  const later = operatorAt(join(ground, 'desk'), hub.url)
  await until(
    async () => (await later.json<{ online: boolean }[]>('nodes')).some(({ online }) => online),
    { timeoutMs: 30_000, what: 'the node is online', everyMs: 400 },
  )
})

test('a hub with another certificate is not spoken to', async () => {
  const other = await startHub(join(ground, 'other-hub'), { more: ['--tls', 'self'] })
  try {
    const misled = await operator.ocm('nodes', '--url', other.url, '--json')
    expect(JSON.parse(misled.out).code).toBe('certificate-changed')
  } finally {
    await other.stop()
  }
})
