/** One persona of a populated node is put into another node that has its own, with real OpenClaw on both. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NAMES } from './support/canaries.ts'
import { type Fleet, startFleet } from './support/fleet.ts'
import { gatewayPid } from './support/node-state.ts'
import { ALICE, freshMachine, populatedHome } from './support/openclaw-home.ts'
import {
  type RunningGateway,
  isReady,
  openclaw,
  openclawJson,
  startGateway,
} from './support/openclaw.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

const PORT = 28_861
let bob: string
let fleet: Fleet
let gateway: RunningGateway

interface Plan {
  readonly graft: { readonly personas: readonly { from: string; to: string }[] }
  readonly findings: readonly { readonly code: string }[]
}

beforeAll(async () => {
  await populatedHome()
  const machine = freshMachine('machine-g')
  bob = join(machine, 'home', 'bob')
  smallHome(bob, PORT)
  const file = join(bob, '.openclaw', 'openclaw.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as { agents: { defaults: object } }
  const workspace = join(bob, '.openclaw', 'workspace')
  const owner = { agentId: 'main' }
  const defaults = { ...config.agents.defaults, systemAgent: owner, heartbeat: owner }
  const entries = {
    main: { name: 'main', workspace },
    // Of the same name as the one that is to come.
    [NAMES.persona]: { name: NAMES.persona, workspace: join(bob, 'own-ws') },
  }
  const agents = { defaults, ownership: 'explicit', entries }
  writeFileSync(file, JSON.stringify({ ...config, agents }, null, 2))
  ;[gateway, fleet] = await Promise.all([
    startGateway(bob, PORT),
    startFleet(join(machine, 'fleet')),
  ])
  const job = '--name own-job --agent main --message write --no-deliver --json'.split(' ')
  await openclaw(bob, ['cron', 'add', '--cron', '0 9 * * *', ...job])
  await fleet.enrol('alice', ALICE, machine)
  await fleet.enrol('bob', bob, machine)
  await fleet.operator.json('backup', 'alice')
}, 600_000)

afterAll(async () => {
  await fleet?.stop()
  await gateway?.stop()
  // What the agent has started in its place.
  const pid = bob === undefined ? undefined : gatewayPid(bob)
  if (pid === undefined) return
  process.kill(pid, 'SIGTERM')
  const gone = { timeoutMs: 350_000, what: 'the gateway is gone' }
  await until(() => Promise.resolve(gatewayPid(bob) === undefined), gone)
}, 400_000)

test('the target has its own and the chosen persona, under another name, by what OpenClaw lists', async () => {
  const renamed = `${NAMES.persona}-2`
  const plan = await fleet.operator.json<Plan>(
    'plan',
    'clone',
    'alice',
    'bob',
    '--only-persona',
    NAMES.persona,
  )
  expect(plan.graft.personas).toEqual([{ from: NAMES.persona, to: renamed }])
  const ownText = readFileSync(join(bob, '.openclaw/openclaw.json'), 'utf8')

  await fleet.operator.json('clone', 'alice', 'bob', '--yes', '--only-persona', NAMES.persona)

  expect(await isReady(PORT)).toBe(true)
  const personas = (await openclawJson(bob, ['agents', 'list', '--json'])) as {
    id: string
    workspace: string
  }[]
  expect(personas.map(({ id }) => id).toSorted()).toEqual(['main', NAMES.persona, renamed])
  const place = (id: string) => personas.find((one) => one.id === id)?.workspace as string
  expect(place(NAMES.persona)).toBe(join(bob, 'own-ws'))
  expect(existsSync(join(place(renamed), 'MEMORY.md'))).toBe(true)
  const { jobs } = (await openclawJson(bob, ['cron', 'list', '--all', '--json'])) as {
    jobs: { name: string; enabled: boolean; agentId?: string; declarationKey?: string }[]
  }
  const user = jobs.filter(({ declarationKey }) => declarationKey === undefined)
  expect(user.find(({ name }) => name === 'own-job')).toMatchObject({ enabled: true })
  const coming = user.filter(({ agentId }) => agentId === renamed)
  expect(coming.length).toBeGreaterThan(0)
  expect(coming.every(({ enabled }) => !enabled)).toBe(true)
  const config = readFileSync(join(bob, '.openclaw/openclaw.json'), 'utf8')
  expect(config).not.toContain(ALICE)
  expect(ownText).not.toContain(renamed)
}, 600_000)
