/**
 * What was done is taken back, and what happens when one side of a move is gone: real hub, agents and `ocm`, a gateway that
 * stands in for OpenClaw, and a Telegram that counts who polls.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SnapshotHeader, claimedBody } from '@ocm/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cutScene } from './support/moves/cut-scene.ts'
import { type Side, other } from './support/moves/pair.ts'
import { gatewayPid } from './support/node-state.ts'
import { until } from './support/until.ts'

const LONG = { timeoutMs: 120_000, everyMs: 200 }

interface NodeRow {
  readonly id: string
  readonly label: string
  readonly movedTo: string | null
  readonly fence?: { readonly state: string }
}

const ground = realpathSync(mkdtempSync(join(tmpdir(), 'ocm-undo-')))
let scene: Awaited<ReturnType<typeof cutScene>>

beforeAll(async () => {
  scene = await cutScene(ground)
}, 180_000)
afterAll(async () => {
  await scene?.close()
  rmSync(ground, { recursive: true, force: true })
})

async function ocm(...words: readonly string[]): Promise<Record<string, unknown>> {
  const { out, err, code } = await scene.pair.operator.ocm(...words, '--json', '--yes')
  if (code !== 0) throw new Error(`${words.join(' ')}: ${out}${err}\n${scene.pair.journals()}`)
  return JSON.parse(out) as Record<string, unknown>
}

async function nodeOf(side: Side): Promise<NodeRow> {
  const nodes = await scene.pair.operator.json<NodeRow[]>('nodes')
  return nodes.find(({ label }) => label === side) as NodeRow
}

const speaks = (side: Side) =>
  until(async () => (await scene.pair.ready()).join() === side && polls() === 1, {
    ...LONG,
    what: `${side} speaks, and nobody else`,
  })
const jobsAt = (side: Side) => scene.jobsAt(scene.pair.seats[side].home)?.toSorted()
const polls = () => scene.telegram.pollers(scene.token)
const move = (from: Side, ...more: readonly string[]) =>
  ocm('move', from, other(from), '--port', String(scene.pair.seats[other(from)].port), ...more)
const tombstone = (side: Side) =>
  existsSync(join(scene.pair.seats[side].home, '.openclaw.ocm-fenced.json'))

/** As when a machine is switched off. */
async function switchOff(side: Side): Promise<void> {
  const { pair } = scene
  await pair.killAgent(side)
  const pid = gatewayPid(pair.seats[side].home)
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  await until(async () => !(await pair.ready()).includes(side), { ...LONG, what: 'it is off' })
  await until(
    async () => {
      const nodes = await pair.operator.json<{ label: string; online: boolean }[]>('nodes')
      return nodes.some(({ label, online }) => label === side && !online)
    },
    { ...LONG, what: 'the hub has noticed' },
  )
}

test('a plan tells what its target lacks, because the target was asked', async () => {
  const file = join(scene.pair.seats.left.home, '.openclaw', 'openclaw.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as object
  const servers = { probe: { command: 'no-such-program-anywhere', cwd: '/no/such/place' } }
  writeFileSync(file, JSON.stringify({ ...config, mcp: { servers } }, null, 2))
  await ocm('backup', 'left')
  const port = String(scene.pair.seats.right.port)
  const { reports } = (await ocm('plan', 'move', 'left', 'right', '--port', port)) as {
    reports: readonly { why: string; text: string }[]
  }
  const told = reports.map(({ why, text }) => `${why} ${text}`)
  expect(told).toContain('command-missing no-such-program-anywhere')
  expect(told).toContain('path-nowhere /no/such/place')
  expect(told.filter((one) => one.startsWith('path-unchecked'))).toEqual([])
  writeFileSync(file, JSON.stringify(config, null, 2))
}, 120_000)

/** What the header of a node's newest snapshot says that it goes on with. */
async function continuedBy(side: Side) {
  const { snapshot } = (await ocm('backup', side)) as { snapshot: string }
  const catalog = new DatabaseSync(join(scene.pair.hub.data, 'catalog.sqlite'), { readOnly: true })
  try {
    const row = catalog.prepare('SELECT header FROM snapshots WHERE id = ?').get(snapshot)
    return claimedBody(SnapshotHeader, 'snapshot', row?.['header'] as Uint8Array).continues
  } finally {
    catalog.close()
  }
}

test('a move is taken back: the target stops, then the source speaks as before, and never both', async () => {
  await speaks('left')
  scene.telegram.forget()
  await move('left')
  await speaks('right')
  expect((await nodeOf('left')).movedTo).not.toBeNull()
  expect(await continuedBy('right')).toMatchObject({ node: (await nodeOf('left')).id })
  expect(await ocm('undo', 'right')).toMatchObject({ kind: 'undo', state: 'done' })
  await speaks('left')
  expect(scene.telegram.most(scene.token)).toBe(1)
  expect(jobsAt('left')).toEqual(scene.jobs.toSorted())
  expect((await nodeOf('left')).movedTo).toBeNull()
  expect(tombstone('left')).toBe(false)
  const again = await scene.pair.operator.ocm('undo', 'right', '--json', '--yes')
  expect(JSON.parse(again.out)).toMatchObject({ code: 'undo-refused' })
}, 400_000)

test('a node that is off moves out of its last snapshot, and is fenced when it comes back speaking', async () => {
  const { pair } = scene
  const refused = await pair.operator.ocm(
    'move',
    'left',
    'right',
    '--source-is-off',
    '--json',
    '--yes',
  )
  expect(JSON.parse(refused.out)).toMatchObject({ code: 'source-online' })
  await switchOff('left')
  expect(await move('left', '--source-is-off')).toMatchObject({ unfenced: 'owed' })
  await speaks('right')
  expect([(await nodeOf('left')).fence, (await nodeOf('right')).fence]).toMatchObject([
    { state: 'owed' },
    { state: 'owed' },
  ])
  // As a service manager does: the gateway is there before our link.
  await pair.startGateway('left')
  pair.runAgent('left')
  await speaks('right')
  await until(async () => (await nodeOf('left')).fence === undefined, {
    ...LONG,
    what: 'it is fenced',
  })
  expect(tombstone('left')).toBe(true)
  expect(jobsAt('right')).toEqual(scene.jobs.toSorted())
}, 400_000)

test('a source whose target is gone for good is let go by an attestation alone', async () => {
  const early = await scene.pair.operator.ocm(
    'release',
    'left',
    '--target-is-off',
    '--json',
    '--yes',
  )
  expect(JSON.parse(early.out)).toMatchObject({ code: 'target-online' })
  await switchOff('right')
  expect(await ocm('release', 'left', '--target-is-off')).toMatchObject({
    kind: 'release',
    state: 'done',
  })
  await speaks('left')
  expect(jobsAt('left')).toEqual(scene.jobs.toSorted())
  expect((await nodeOf('left')).movedTo).toBeNull()
}, 400_000)
