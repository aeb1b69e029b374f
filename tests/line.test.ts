/**
 * The whole line on real input: one hub, real OpenClaw nodes, each program a process of its own. A populated node is
 * backed up while its gateway runs, set back to an older snapshot, moved to another home, and cloned from there. What
 * counts is what OpenClaw itself lists before and after.
 */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CANARIES, NAMES, PATHS } from './support/canaries.ts'
import { GATEWAY_PORT, MODEL_PORT, freshMachine, populatedHome } from './support/openclaw-home.ts'
import { deviceOf, gatewayPid, sessionPaths } from './support/node-state.ts'
import { startMockModel } from './support/mock-model.ts'
import {
  type Lists,
  isReady,
  lists,
  openclaw,
  openclawJson,
  startGateway,
} from './support/openclaw.ts'
import { type Fleet, startFleet } from './support/fleet.ts'
import { PASSPHRASE, PASSWORD } from './support/programs.ts'
import { type Recorder, startRecorder } from './support/recorder.ts'
import { missingForReader, readStore } from './support/second-reader.ts'
import { disguises, traces } from './support/traces.ts'
import { treeOf } from './support/trees.ts'
import { until } from './support/until.ts'

const PORT_B = GATEWAY_PORT + 20
const PORT_C = GATEWAY_PORT + 40

interface Snapshot {
  readonly id: string
  readonly metrics: { readonly cronJobs: number }
}

/** Nodes that an alarm is raised for; each of them says what it goes by. */
async function twins(): Promise<readonly string[]> {
  const nodes =
    await fleet.operator.json<
      { label: string; checked: boolean; lastSnapshot: object | null; twins: object[] }[]
    >('nodes')
  const told = nodes.filter(({ lastSnapshot }) => lastSnapshot !== null)
  expect(told.filter(({ checked }) => !checked)).toEqual([])
  return nodes.filter((node) => node.twins.length > 0).map(({ label }) => label)
}

const desk = (home: string) => join(home, `desk-${NAMES.persona}`)

let alice: string
let bob: string
let carol: string
let machineB: string
let bobDesk: string
let wire: Recorder
let fleet: Fleet
let model: { close(): void }
let before: Lists
let first: Snapshot

beforeAll(async () => {
  alice = await populatedHome()
  model = await startMockModel(MODEL_PORT)
  wire = await startRecorder()
  fleet = await startFleet(freshMachine('machine-hub'), wire)
  await startGateway(alice, GATEWAY_PORT)
  await fleet.enrol('alpha', alice, freshMachine('machine-a-agent'))
  machineB = freshMachine('machine-b')
  bob = join(machineB, 'srv', 'bob')
  carol = join(machineB, 'srv', 'carol')
  bobDesk = join(machineB, 'srv', 'projects', 'quill')
  await mkdir(bob, { recursive: true })
  await fleet.enrol('beta', bob, machineB)
}, 600_000)

afterAll(async () => {
  await fleet?.stop()
  for (const home of [alice, bob, carol]) {
    const pid = home && gatewayPid(home)
    if (pid) process.kill(pid, 'SIGTERM')
  }
  wire?.close()
  model?.close()
}, 120_000)

describe('a real node', () => {
  test('is backed up while its gateway runs', async () => {
    before = await lists(alice)
    expect(before.userCron).toHaveLength(3)
    const job = await fleet.operator.json<{ snapshot: string }>('backup', 'alpha')
    const snapshots = await fleet.operator.json<Snapshot[]>('snapshots', 'alpha')
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

    await fleet.operator.json('restore', 'alpha', first.id)

    expect(await isReady(GATEWAY_PORT)).toBe(true)
    expect(await lists(alice)).toEqual(before)
    expect(treeOf(desk(alice))).toEqual(workspace)
  })

  test('is moved to another home and other workspaces, and speaks there alone', async () => {
    const workspace = treeOf(desk(alice), { linksAsIs: false })
    const move = await fleet.operator.json<{ downtimeMs: number; inventoryEqual: boolean }>(
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

  test('differs from its source in nothing that matters, and is nobody’s twin', async () => {
    await fleet.operator.json('backup', 'beta')
    const diff = await fleet.operator.json<{ entries: { section: string; path: string }[] }>(
      'diff',
      'alpha',
      'beta',
    )
    expect(diff).toMatchObject({ config: [], lists: [], unknown: [] })
    // What a gateway notes beside its databases while it runs is its own business.
    const kept = ['workspaces', 'skills', 'plugins', 'credentials', 'cron', 'environment']
    expect(diff.entries.filter(({ section }) => kept.includes(section))).toEqual([])
    expect(await twins()).toEqual([])
  })

  test('runs its command job in the new directory', async () => {
    const job = before.userCron.find(({ name }) => name === NAMES.commandJob)
    await openclaw(bob, ['cron', 'run', job?.id ?? ''])
    const swept = join(bobDesk, 'swept.txt')
    await until(() => existsSync(swept), { timeoutMs: 60_000, what: 'the command job has run' })
    expect(readFileSync(swept, 'utf8').trim()).toBe(bobDesk)
  })

  test('names its old home nowhere but in prose and transcripts', () => {
    const found = traces(machineB, [alice], 'plain')
      .map(({ where }) => where.replace(`${machineB}/`, ''))
      .filter((where) => !isProse(where))
    expect(found).toEqual([])
    const personas = readdirSync(join(bob, '.openclaw', 'agents'))
    expect(personas.flatMap((persona) => sessionPaths(bob, persona, alice))).toEqual([])
  })

  test('does not start at its old place by accident', async () => {
    const fenced = readdirSync(alice).filter((name) => name.startsWith('.openclaw.ocm-fenced'))
    expect(fenced.length).toBeGreaterThan(0)
    expect(existsSync(join(alice, '.openclaw'))).toBe(false)
    await expect(
      openclaw(alice, ['gateway', 'run', '--port', String(GATEWAY_PORT)]),
    ).rejects.toThrow('Command failed')
    const again = await fleet.operator.ocm('backup', 'alpha', '--json', '--yes')
    expect(again.code).toBe(1)
    expect(JSON.parse(again.out)).toMatchObject({ code: 'source-fenced' })
  })

  test('is cloned with an identity of its own and speaks on no channel', async () => {
    await mkdir(carol)
    await fleet.enrol('gamma', carol, machineB)
    // A token in this file alone makes a gateway poll, at its next start.
    const token = '1234567890:canary-telegram-token-speedwell'
    appendFileSync(join(bob, '.openclaw', '.env'), `TELEGRAM_BOT_TOKEN=${token}\n`)
    await fleet.operator.json('backup', 'beta')
    await fleet.operator.json(
      'clone',
      'beta',
      'gamma',
      // Trials are tried elsewhere, and the move above had one.
      '--no-trial',
      '--port',
      String(PORT_C),
      '--root',
      `workspace:${NAMES.persona}=${join(machineB, 'srv', 'carols', 'quill')}`,
    )

    expect(await isReady(PORT_C)).toBe(true)
    expect(await isReady(PORT_B)).toBe(true)
    const [theirs, own] = [identityOf(bob), identityOf(carol)]
    expect(own.token).not.toBe(theirs.token)
    expect(own.token.length).toBeGreaterThanOrEqual(32)
    expect(own.device).not.toBe(theirs.device)
    expect(traces(carol, [token], 'plain')).toEqual([])
    const said = readFileSync(join(carol, '.openclaw', 'logs', 'gateway.out'), 'utf8')
    expect(said).toContain('[gateway]')
    expect(said).not.toContain('[telegram]')
    const cron = (await openclawJson(carol, ['cron', 'list', '--all', '--json'])) as {
      jobs: { id: string; enabled: boolean; declarationKey?: string }[]
    }
    await fleet.operator.json('backup', 'gamma')
    expect(await twins()).toEqual([])
    const user = cron.jobs.filter((job) => job.declarationKey === undefined)
    expect(user.map(({ id }) => id).toSorted()).toEqual(before.userCron.map(({ id }) => id))
    expect(user.filter(({ enabled }) => enabled)).toEqual([])
  })
})

describe('what is stored', () => {
  const missing = missingForReader()
  test.skipIf(missing.length > 0)('is read whole by the second reader', async () => {
    const [last] = await fleet.operator.json<Snapshot[]>('snapshots', 'gamma')
    const store = join(fleet.hub.data, 'packs')
    const said = readStore(PASSPHRASE, 'verify', store, last?.id ?? '', '--unconfirmed')
    expect(said).toMatchObject({ code: 0 })
  })
})

describe('the hub', () => {
  test('has seen none of the planted secrets, names and paths, on its disk or on the wire', () => {
    const planted = [...CANARIES, PASSPHRASE, basename(desk(alice))]
    const control = 'canary-control-hellebore'
    writeFileSync(join(fleet.hub.data, 'control.txt'), Buffer.from(control).toString('base64'))
    const found = traces(fleet.hub.data, [...planted, PASSWORD, control], 'disguised')
    expect(found.filter(({ word }) => word === control)).toHaveLength(1)
    expect(found.filter(({ word }) => word !== control)).toEqual([])

    const heard = wire.heard()
    expect(heard.some((bytes) => bytes.includes('/link'))).toBe(true)
    for (const word of planted) {
      const needles = disguises(word)
      const overheard = heard.some((bytes) => needles.some((needle) => bytes.includes(needle)))
      const logged = fleet.hub.output().includes(word)
      expect({ word, overheard, logged }).toEqual({ word, overheard: false, logged: false })
    }
  })
})

describe('a naive copy', () => {
  test('fails the same comparison: its cron jobs are gone', async () => {
    const copy = join(freshMachine('machine-naive'), 'dave')
    const original = await populatedHome()
    execFileSync('cp', ['-a', original, copy])
    renameSync(original, `${original}.hidden`)
    const gateway = await startGateway(copy, GATEWAY_PORT)
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

/**
 * Text for people and models, and what was said and done: a move leaves it as it is unless asked. Titles are what
 * OpenClaw makes of what was said.
 */
function isProse(where: string): boolean {
  return (
    /(?:MEMORY|SKILL|HOOK)\.md$/.test(where) ||
    /(?:tool\.sh|source-origin\.json)$/.test(where) ||
    /session_transcript_fts|transcript_events|trajectory_runtime_events/.test(where) ||
    /(?:task_runs\.task|display_name|cron_jobs\.(?:job_json|state_json))$/.test(where) ||
    // The title of a conversation; its paths are looked at one by one.
    where.endsWith('session_nodes.entry_json') ||
    where.startsWith('agent-beta/')
  )
}

function identityOf(home: string): { token: string; device: string } {
  const config = JSON.parse(
    readFileSync(join(home, '.openclaw', 'openclaw.json'), 'utf8').replaceAll(/^\s*\/\/.*$/gm, ''),
  ) as { gateway: { auth: { token: string } } }
  return { token: config.gateway.auth.token, device: deviceOf(home) }
}
