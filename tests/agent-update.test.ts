/** Agents that update themselves, as processes of their own: to a release that works, and back from those that do not. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { base64url, makeRelease } from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleProgram } from '../scripts/bundling.ts'
import { OPENCLAW, openclawEnv } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import {
  type Operator,
  type RunningHub,
  joinAgent,
  operatorAt,
  startHub,
} from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

const key = p.ed25519Pair()
const agentMain = new URL('../packages/agent/src/main.ts', import.meta.url).pathname

let ground: string
let hub: RunningHub
let operator: Operator
let base: string
let state: string
let home: string
let agent: ChildProcess
let node: string

/** The agent as release `serial`, with something that it does before everything else when it is to run. */
async function build(serial: number, first = ''): Promise<string> {
  const file = join(ground, `agent-${serial}.mjs`)
  const before = { ...process.env }
  Object.assign(process.env, {
    OCM_RELEASE_KEY: base64url(key.public),
    OCM_RELEASE_SERIAL: String(serial),
  })
  try {
    await bundleProgram(agentMain, file, false)
  } finally {
    for (const name of ['OCM_RELEASE_KEY', 'OCM_RELEASE_SERIAL']) {
      if (before[name] === undefined) delete process.env[name]
    }
  }
  if (first !== '') {
    const [shebang, ...rest] = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, [shebang, `if(process.argv[2]==='run'){${first}}`, ...rest].join('\n'))
  }
  return file
}

/** Signs and offers it. */
async function offer(serial: number, program: string, signer = key): Promise<void> {
  const file = join(ground, `release-${serial}`)
  const bytes = new Uint8Array(readFileSync(program))
  writeFileSync(file, makeRelease(p, { version: `0.${serial}.0`, serial }, bytes, signer))
  await operator.json('agent-release', file)
}

/** As a service manager does; what it runs is always what was installed. */
function startBase(): ChildProcess {
  const places = ['--state', state, '--openclaw-home', home, '--openclaw-bin', OPENCLAW]
  const env = { ...openclawEnv(home), OCM_AGENT_TRIAL_MS: '8000', OCM_AGENT_STEADY_MS: '500' }
  return spawn(process.execPath, [base, 'run', ...places], { env, stdio: 'ignore' })
}

interface Release {
  readonly state: string
  readonly done: readonly string[]
  readonly failed: string | null
}
const release = () => operator.json<Release>('agent-release')
const isOnline = async () =>
  (await operator.json<{ online: boolean }[]>('nodes')).some(({ online }) => online)
const online = () =>
  until(isOnline, { timeoutMs: 40_000, what: 'the node is online', everyMs: 300 })
const runs = () => readFileSync(`/proc/${agent.pid}/cmdline`, 'utf8')

beforeAll(async () => {
  ground = freshMachine('agent-update')
  state = join(ground, 'state')
  home = smallHome(join(ground, 'machine'), 28_991)
  base = await build(1)
  hub = await startHub(join(ground, 'hub'))
  operator = operatorAt(join(ground, 'desk'), hub.url)
  await operator.json('setup', '--link', hub.setupLink, '--name', 'olivia')
  const ticket = await operator.json<{ join: string }>('ticket', '--label', 'alpha')
  const joined = await joinAgent({ state, home, openclaw: OPENCLAW }, ticket.join)
  if (joined.code !== 0) throw new Error(joined.err)
  agent = startBase()
  await online()
  const [only] = await operator.json<{ id: string }[]>('nodes')
  node = only?.id ?? ''
})

afterAll(async () => {
  if (agent?.exitCode === null) {
    agent.kill('SIGTERM')
    await once(agent, 'exit')
  }
  await hub?.stop()
})

const until40 = (what: string, check: () => Promise<boolean>) =>
  until(check, { timeoutMs: 40_000, what, everyMs: 300 })

test('a release that works takes the place of what ran, under the same process id', async () => {
  await offer(2, await build(2))
  await until40('it is done', async () => (await release()).done.includes(node))
  await until40('it runs by itself', async () => runs().includes('/updates/2.mjs'))
  await online()
  expect(agent.exitCode).toBeNull()
})

test('one that ends at its start goes back by itself, and the rollout stops', async () => {
  await offer(3, await build(3, 'process.exit(3)'))
  await until40('it is stopped', async () => (await release()).failed === node)
  await online()
  expect(runs()).toContain('/updates/2.mjs')
  expect(readdirSync(join(state, 'updates'))).toEqual(['2.mjs'])
  expect(await release()).toMatchObject({ state: 'stopped', done: [] })
  expect((await operator.ocm('nodes')).out).toContain('update went back')
})

test('one that never connects goes back too, also when all is killed in the middle of its trial', async () => {
  await offer(4, await build(4, 'setInterval(()=>{},1000);await new Promise(()=>{})'))
  await until40('it is on trial', async () => readdirSync(join(state, 'updates')).includes('4.mjs'))
  await until40('the node is away', async () => !(await isOnline()))
  agent.kill('SIGKILL')
  await once(agent, 'exit')
  agent = startBase()
  await until40('it has gone back', async () => (await release()).failed === node)
  await online()
  expect(runs()).toContain('/updates/2.mjs')
  expect(readdirSync(join(state, 'updates'))).toEqual(['2.mjs'])
})

test('one that somebody else signed is not even fetched', async () => {
  await offer(5, await build(5), p.ed25519Pair())
  await until40('it is stopped', async () => (await release()).failed === node)
  expect(readdirSync(join(state, 'updates'))).toEqual(['2.mjs'])
  expect(runs()).toContain('/updates/2.mjs')
})

test('what was installed anew counts for more than an update that is older', async () => {
  const newer = await build(6)
  writeFileSync(base, readFileSync(newer))
  agent.kill('SIGTERM')
  await once(agent, 'exit')
  agent = startBase()
  await online()
  expect(runs()).not.toContain('/updates/')
})

test('what is noted of updates cannot be read: what was installed runs', async () => {
  agent.kill('SIGTERM')
  await once(agent, 'exit')
  await until40('the node is away', async () => !(await isOnline()))
  writeFileSync(join(state, 'update'), 'not what it was')
  agent = startBase()
  await online()
  expect(agent.exitCode).toBeNull()
})
