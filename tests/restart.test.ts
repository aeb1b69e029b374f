/** The hub or the agent dies in the middle of a backup, as in a power cut. The job goes on when it is back. */
import { randomFillSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { KeptTrees } from './support/kept-trees.ts'
import { freshMachine } from './support/openclaw-home.ts'
import {
  type AgentPlace,
  type Running,
  type RunningHub,
  startAgent,
  startHub,
} from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

interface Job {
  readonly id: string
  readonly state: string
  readonly snapshot: string | null
  readonly steps: readonly { readonly phase: string }[]
}

let fleet: Fleet
let hub: RunningHub
let agent: Running & { place: AgentPlace }
let home: string
let ground: string
let trees: KeptTrees

beforeAll(async () => {
  ground = freshMachine('restart')
  fleet = await startFleet(ground)
  hub = fleet.hub
  home = smallHome(join(ground, 'home', 'ada'), 28_991)
  agent = await fleet.enrol('ada', home, ground)
  trees = new KeptTrees(join(home, '.openclaw', 'workspace'))
  await fleet.operator.json('nodes', 'confirm')
})

afterAll(async () => {
  await agent?.stop()
  await hub?.stop()
  await fleet?.stop()
})

/** Enough that a backup takes a while, and new each time. */
function fillWorkspace(): void {
  const bytes = Buffer.alloc(48 << 20)
  for (let i = 0; i < 4; i++) {
    writeFileSync(join(home, '.openclaw', 'workspace', `noise-${i}.bin`), randomFillSync(bytes))
  }
}

/** Begins a backup and answers its id when packs are on their way. */
async function backupUnderWay(): Promise<string> {
  fillWorkspace()
  const known = new Set((await fleet.operator.json<Job[]>('jobs')).map(({ id }) => id))
  void fleet.operator.ocm('backup', 'ada', '--json', '--yes')
  let id = ''
  await until(
    async () => {
      const jobs = await fleet.operator.json<Job[]>('jobs')
      const mine = jobs.find((job) => !known.has(job.id))
      id = mine?.id ?? ''
      return mine?.steps.some(({ phase }) => phase === 'files') ?? false
    },
    { timeoutMs: 60_000, what: 'files are on their way', everyMs: 50 },
  )
  return id
}

/** The job when it has ended; what lies on the disk then belongs to its snapshot. */
async function endOf(id: string): Promise<Job | undefined> {
  let job: Job | undefined
  await until(
    async () => {
      const jobs = await fleet.operator.json<Job[]>('jobs')
      job = jobs.find((one) => one.id === id)
      return ['done', 'failed', 'cancelled'].includes(job?.state ?? '')
    },
    { timeoutMs: 150_000, what: 'the job ends', everyMs: 500 },
  )
  trees.keep(job?.snapshot ?? '')
  return job
}

const store = () => join(hub.data, 'packs')

test('a hub that is killed during a backup finishes it when it runs again', async () => {
  const id = await backupUnderWay()
  await hub.kill()
  hub = await startHub(hub.data, { port: Number(new URL(hub.url).port) })
  expect(await endOf(id)).toMatchObject({ state: 'done' })
  expect(await trees.comeBack(fleet.operator, store(), ground)).toEqual({ kept: 1, wrong: [] })
})

test('an agent that is killed during a backup finishes it when it runs again', async () => {
  const id = await backupUnderWay()
  await agent.kill()
  agent = { ...startAgent(agent.place), place: agent.place }
  expect(await endOf(id)).toMatchObject({ state: 'done' })
  const snapshots = await fleet.operator.json<{ seq: number }[]>('snapshots', 'ada')
  expect(snapshots.map(({ seq }) => seq)).toEqual([2, 1])
  expect(await trees.comeBack(fleet.operator, store(), ground)).toEqual({ kept: 2, wrong: [] })
})
