/**
 * The whole line on real input: one hub, real OpenClaw nodes, each program a process of its own. A populated node is
 * backed up while its gateway runs, set back to an older snapshot, moved to another home, and cloned from there. What
 * counts is what OpenClaw itself lists before and after.
 */
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CANARIES, NAMES, PATHS } from './support/canaries.ts'
import { GATEWAY_PORT, MODEL_PORT, freshMachine, populatedHome } from './support/openclaw-home.ts'
import { deviceOf, gatewayPid } from './support/node-state.ts'
import { startMockModel } from './support/mock-model.ts'
import {
  type Lists,
  OPENCLAW,
  isReady,
  lists,
  openclaw,
  openclawJson,
  startGateway,
} from './support/openclaw.ts'
import {
  type AgentPlace,
  type Operator,
  PASSPHRASE,
  PASSWORD,
  type Running,
  type RunningHub,
  joinAgent,
  operatorAt,
  startAgent,
  startHub,
} from './support/programs.ts'
import { type Recorder, recordTo } from './support/recorder.ts'
import { disguises, traces } from './support/traces.ts'
import { treeOf } from './support/trees.ts'
import { until } from './support/until.ts'

const PORT_B = GATEWAY_PORT + 20
const PORT_C = GATEWAY_PORT + 40

interface Snapshot {
  readonly id: string
  readonly metrics: { readonly cronJobs: number }
}

let alice: string
let hub: RunningHub
let wire: Recorder
let operator: Operator
let before: Lists
let first: Snapshot
const running: Running[] = []
const machine = (name: string) => freshMachine(`machine-${name}`)
const placeOf = (name: string, home: string, ground: string): AgentPlace => ({
  state: join(ground, `agent-${name}`),
  home,
  openclaw: OPENCLAW,
})

async function enrol(label: string, place: AgentPlace): Promise<void> {
  const { join: joinString } = await operator.json<{ join: string }>('ticket', '--label', label)
  const joined = await joinAgent(place, joinString)
  expect(joined, joined.err).toMatchObject({ code: 0 })
  running.push(startAgent(place))
  await until(
    async () => {
      const nodes = await operator.json<{ label: string; online: boolean }[]>('nodes')
      return nodes.some((node) => node.label === label && node.online)
    },
    { timeoutMs: 30_000, what: `${label} is connected` },
  )
}

const desk = (home: string) => join(home, `desk-${NAMES.persona}`)
let bob: string
let bobGround: string
let bobDesk: string
let model: Awaited<ReturnType<typeof startMockModel>>

beforeAll(async () => {
  alice = await populatedHome()
  model = await startMockModel(MODEL_PORT)
  const data = machine('hub')
  let hubPort = 0
  wire = await recordTo(() => hubPort)
  hub = await startHub(join(data, 'data'), { publicUrl: `http://127.0.0.1:${wire.port}` })
  hubPort = Number(new URL(hub.url).port)
  running.push(hub)
  operator = operatorAt(machine('operator'), `http://127.0.0.1:${wire.port}`)
  await operator.json('setup', '--link', hub.setupLink, '--name', 'olivia')
  await startGateway(alice, GATEWAY_PORT)
  await enrol('alpha', placeOf('a', alice, machine('agent-a')))
  bobGround = machine('b')
  bob = join(bobGround, 'srv', 'bob')
  bobDesk = join(bobGround, 'srv', 'projects', 'quill')
  await mkdir(bob, { recursive: true })
  await enrol('beta', placeOf('b', bob, bobGround))
}, 600_000)

afterAll(async () => {
  for (const home of [alice, bob, join(bobGround ?? '', 'carol')]) {
    const pid = home && gatewayPid(home)
    if (pid) process.kill(pid, 'SIGTERM')
  }
  for (const one of running) await one.stop()
  wire?.close()
  model?.close()
}, 120_000)

describe('a real node', () => {
  test('is backed up while its gateway runs', async () => {
    before = await lists(alice)
    expect(before.userCron).toHaveLength(3)
    const job = await operator.json<{ snapshot: string }>('backup', 'alpha')
    const snapshots = await operator.json<Snapshot[]>('snapshots', 'alpha')
    first = snapshots.find(({ id }) => id === job.snapshot) as Snapshot
    expect(first.metrics.cronJobs).toBeGreaterThanOrEqual(3)
    expect(await isReady(GATEWAY_PORT)).toBe(true)
  })

  test('is set back to an older snapshot', async () => {
    const workspace = treeOf(desk(alice))
    const lost = before.userCron[0] as Lists['userCron'][number]
    await openclaw(alice, ['cron', 'rm', lost.id])
    writeFileSync(join(desk(alice), PATHS.workspaceFile), 'overwritten by mistake\n')
    writeFileSync(join(desk(alice), 'came-later.txt'), 'not in the snapshot\n')
    await rm(join(desk(alice), 'empty'), { recursive: true })

    await operator.json('restore', 'alpha', first.id)

    expect(await isReady(GATEWAY_PORT)).toBe(true)
    expect(await lists(alice)).toEqual(before)
    expect(treeOf(desk(alice))).toEqual(workspace)
  })

  test('is moved to another home and other workspaces, and speaks there alone', async () => {
    const workspace = treeOf(desk(alice), { linksAsIs: false })
    const move = await operator.json<{ downtimeMs: number; inventoryEqual: boolean }>(
      'move',
      'alpha',
      'beta',
      '--port',
      String(PORT_B),
      '--root',
      `workspace:${NAMES.persona}=${bobDesk}`,
    )
    expect(move.inventoryEqual).toBe(true)
    expect(move.downtimeMs).toBeGreaterThan(0)

    expect(await isReady(PORT_B)).toBe(true)
    expect(await isReady(GATEWAY_PORT)).toBe(false)
    expect(await lists(bob)).toEqual(before)
    expect(treeOf(bobDesk, { linksAsIs: false })).toEqual(workspace)
    const config = readFileSync(join(bob, '.openclaw', 'openclaw.json'), 'utf8')
    expect(config).toContain('// tuned by hand: do not lose this line')
  })

  test('runs its command job in the new directory', async () => {
    const job = before.userCron.find(({ name }) => name === NAMES.commandJob)
    await openclaw(bob, ['cron', 'run', job?.id ?? ''])
    const swept = join(bobDesk, 'swept.txt')
    await until(() => existsSync(swept), { timeoutMs: 60_000, what: 'the command job has run' })
    expect(readFileSync(swept, 'utf8').trim()).toBe(bobDesk)
  })

  test('names its old home nowhere but in prose and transcripts', () => {
    const found = traces(bobGround, [alice], 'plain')
      .map(({ where }) => where.replace(`${bobGround}/`, ''))
      .filter((where) => !isProse(where))
    expect(found).toEqual([])
  })

  test('does not start at its old place by accident', async () => {
    const fenced = readdirSync(alice).filter((name) => name.startsWith('.openclaw.ocm-fenced'))
    expect(fenced.length).toBeGreaterThan(0)
    expect(existsSync(join(alice, '.openclaw'))).toBe(false)
    await expect(
      openclaw(alice, ['gateway', 'run', '--port', String(GATEWAY_PORT)]),
    ).rejects.toThrow()
    const again = await operator.ocm('backup', 'alpha', '--json', '--yes')
    expect(again.code).toBe(1)
    expect(JSON.parse(again.out)).toMatchObject({ code: 'source-fenced' })
  })

  test('is cloned with an identity of its own and speaks on no channel', async () => {
    const carol = join(bobGround, 'carol')
    await mkdir(carol)
    await enrol('gamma', placeOf('c', carol, bobGround))
    await operator.json('backup', 'beta')
    await operator.json('clone', 'beta', 'gamma', '--port', String(PORT_C))

    expect(await isReady(PORT_C)).toBe(true)
    expect(await isReady(PORT_B)).toBe(true)
    const [theirs, own] = [identityOf(bob), identityOf(carol)]
    expect(own.token).not.toBe(theirs.token)
    expect(own.token.length).toBeGreaterThanOrEqual(32)
    expect(own.device).not.toBe(theirs.device)
    const cron = (await openclawJson(carol, ['cron', 'list', '--all', '--json'])) as {
      jobs: { id: string; enabled: boolean; declarationKey?: string }[]
    }
    const user = cron.jobs.filter((job) => job.declarationKey === undefined)
    expect(user.map(({ id }) => id).toSorted()).toEqual(before.userCron.map(({ id }) => id))
    expect(user.filter(({ enabled }) => enabled)).toEqual([])
  })
})

describe('the hub', () => {
  test('has seen none of the planted secrets, names and paths, on its disk or on the wire', () => {
    const planted = [...CANARIES, PASSPHRASE, basename(desk(alice))]
    const control = 'canary-control-hellebore'
    writeFileSync(join(hub.data, 'control.txt'), Buffer.from(control).toString('base64'))
    const found = traces(hub.data, [...planted, PASSWORD, control], 'disguised')
    expect(found.filter(({ word }) => word === control)).toHaveLength(1)
    expect(found.filter(({ word }) => word !== control)).toEqual([])

    const heard = wire.heard()
    expect(heard.some((bytes) => bytes.includes('/link'))).toBe(true)
    for (const word of planted) {
      const needles = disguises(word)
      expect(
        heard.some((bytes) => needles.some((needle) => bytes.includes(needle))),
        word,
      ).toBe(false)
      expect(hub.output().includes(word), word).toBe(false)
    }
  })
})

describe('a naive copy', () => {
  test('fails the same comparison: its cron jobs are gone', async () => {
    const copy = join(machine('naive'), 'dave')
    const original = await populatedHome()
    await cp(original, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
    renameSync(original, `${original}.hidden`)
    const gateway = await startGateway(copy, PORT_C + 20)
    try {
      const cron = (await openclawJson(copy, ['cron', 'list', '--all', '--json'])) as {
        jobs: { declarationKey?: string }[]
      }
      expect(cron.jobs.filter((job) => job.declarationKey === undefined)).toEqual([])
    } finally {
      await gateway.stop()
    }
  })
})

/** Text for people and models, and what was said: a move leaves it as it is unless asked. */
function isProse(where: string): boolean {
  return (
    /(?:MEMORY|SKILL|HOOK)\.md$/.test(where) ||
    where.endsWith('tool.sh') ||
    /session_transcript_fts|transcript_events|trajectory_runtime_events/.test(where) ||
    where.startsWith('agent-b/')
  )
}

function identityOf(home: string): { token: string; device: string } {
  const config = JSON.parse(
    readFileSync(join(home, '.openclaw', 'openclaw.json'), 'utf8').replaceAll(/^\s*\/\/.*$/gm, ''),
  ) as { gateway: { auth: { token: string } } }
  return { token: config.gateway.auth.token, device: deviceOf(home) }
}
