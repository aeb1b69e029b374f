/**
 * A move is tried before its source is fenced: real hub, real agents, real OpenClaw. The node has a hook that calls out
 * when its gateway starts, and somebody outside counts the calls.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { gatewayPid } from './support/node-state.ts'
import { isReady } from './support/openclaw.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { type AgentPlace, type Running, startAgent } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { treeOf } from './support/trees.ts'
import { until } from './support/until.ts'

const PORTS = { ada: 28_941, bea: 28_943 }

interface Job {
  readonly id: string
  readonly state: string
  readonly error: { readonly code: string } | null
  readonly inventoryEqual: boolean | null
  readonly steps: readonly {
    readonly name: string
    readonly state: string
    readonly phase: string
  }[]
  readonly log?: readonly { readonly text: string }[]
}

let ground: string
let fleet: Fleet
let ada: string
let bea: string
let target: Running & { place: AgentPlace }
let outside: Server
let calls = 0

beforeAll(async () => {
  outside = createServer((_, answer) => {
    calls++
    answer.end()
  })
  await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve))
  ground = freshMachine('trial')
  fleet = await startFleet(ground)
  ada = smallHome(join(ground, 'ada-machine', 'home', 'ada'), PORTS.ada)
  bea = join(ground, 'bea-machine', 'srv', 'bea')
  mkdirSync(bea, { recursive: true })
  callingHook(ada)
  await fleet.enrol('ada', ada, ground)
  target = await fleet.enrol('bea', bea, ground)
})

afterAll(async () => {
  const pid = gatewayPid(bea)
  await target?.stop()
  await fleet?.stop()
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  outside?.close()
})

/** Says where it was called what, beside the homes: what lies in them is rewritten, and goes with a trial. */
const said = () =>
  readFileSync(join(ground, 'said'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { home: string; reached: boolean })

function callingHook(home: string): void {
  const folder = join(home, '.openclaw', 'hooks', 'calling')
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'HOOK.md'),
    '---\nname: calling\ndescription: "calls out"\nmetadata: { "openclaw": { "events": ["gateway:startup"] } }\n---\n# calling\n',
  )
  const { port } = outside.address() as AddressInfo
  writeFileSync(
    join(folder, 'handler.js'),
    `import { appendFileSync } from 'node:fs'
export default async function handler() {
  const reached = await fetch('http://127.0.0.1:${port}/', { method: 'POST' }).then(() => true, () => false)
  appendFileSync(${JSON.stringify(join(ground, 'said'))}, JSON.stringify({ home: process.env.HOME, reached }) + '\\n')
}
`,
  )
  configure(home, (config) => ({
    ...config,
    hooks: { internal: { enabled: true, entries: { calling: { enabled: true } } } },
  }))
}

type Config = Readonly<Record<string, object>>

function configure(home: string, change: (config: Config) => Config): void {
  const file = join(home, '.openclaw', 'openclaw.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as Config
  writeFileSync(file, JSON.stringify(change(config), null, 2))
}

const move = () =>
  fleet.operator.ocm('move', 'ada', 'bea', '--port', String(PORTS.bea), '--json', '--yes')

async function newestMove(): Promise<Job> {
  const jobs = await fleet.operator.json<(Job & { kind: string })[]>('jobs')
  const { id } = jobs.find(({ kind }) => kind === 'move') as Job
  return fleet.operator.json<Job>('jobs', 'show', id, '--log')
}

const statesOf = ({ steps }: Job) => steps.map(({ name, state }) => `${name} ${state}`)
const logOf = ({ log = [] }: Job) => log.map(({ text }) => text).join('\n')

/** Whatever a trial starts has this in its environment. */
const trialsRunning = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`OCM_TRIAL=${bea}`))

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return '' // Gone meanwhile, or another user's.
  }
}

/** Live writes of the agent itself lie elsewhere, so the homes can be compared whole. */
const bothHomes = () => ({ ada: treeOf(ada), bea: treeOf(bea) })

test('a configuration that OpenClaw finds valid and does not start with ends a move before the fence', async () => {
  const whole = readFileSync(join(ada, '.openclaw', 'openclaw.json'))
  configure(ada, (config) => ({ ...config, gateway: { ...config['gateway'], mode: 'remote' } }))
  const before = bothHomes()
  const answer = await move()
  const after = bothHomes()
  writeFileSync(join(ada, '.openclaw', 'openclaw.json'), whole)
  expect(answer.code).toBe(1)
  expect(JSON.parse(answer.out)).toMatchObject({ code: 'trial-failed' })
  const job = await newestMove()
  expect(statesOf(job)).toEqual(['stage done', 'trial failed', 'fence skipped', 'activate skipped'])
  expect(logOf(job)).toMatch(/Tried in a network of its own: not ready .*gateway\.mode/s)
  expect(after).toEqual(before)
  expect(trialsRunning()).toEqual([])
})

test('an agent that is killed in the middle of a trial leaves nothing of it', async () => {
  const before = bothHomes()
  const asked = move()
  await until(() => trialsRunning().length > 1, {
    timeoutMs: 120_000,
    what: 'a copy is being started',
    everyMs: 20,
  })
  await target.kill()
  target = { ...startAgent(target.place), place: target.place }
  expect(JSON.parse((await asked).out)).toMatchObject({ code: 'job-cut-off' })
  await until(() => JSON.stringify(bothHomes()) === JSON.stringify(before), {
    timeoutMs: 20_000,
    what: 'both homes are as they were',
  })
  expect(trialsRunning()).toEqual([])
})

test('a copy is started without a way out, and leaves nothing; the node itself calls out when it has moved', async () => {
  const answer = await move()
  expect(answer).toMatchObject({ code: 0 })
  const job = await newestMove()
  expect(statesOf(job)).toEqual(['stage done', 'trial done', 'fence done', 'activate done'])
  expect(logOf(job)).toContain('Tried in a network of its own: ready after')
  expect(job.inventoryEqual).toBe(true)
  await until(() => said().length === 2, { timeoutMs: 60_000, what: 'the moved node calls out' })
  const [tried, moved] = said()
  expect(tried).toMatchObject({ reached: false })
  expect(tried?.home).toContain('.ocm-trial-')
  // The control: the same hook from a gateway that is not cut off.
  expect(moved).toEqual({ home: bea, reached: true })
  expect(calls).toBe(1)
  expect(await isReady(PORTS.bea)).toBe(true)
  expect(trialsRunning()).toEqual([])
  expect(readdirSync(bea).filter((name) => name.startsWith('.ocm-trial'))).toEqual([])
}, 600_000)
