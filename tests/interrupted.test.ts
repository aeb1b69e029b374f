/** Ctrl-C in the middle of what writes credentials in clear: nothing of it is left, and what was named is not half there. */
import { spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { type Running, programOf } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

const MIB = 1024 * 1024
let ground: string
let fleet: Fleet
let agent: Running
let snapshot: string
let archive: string
let scratch: string

beforeAll(async () => {
  ground = freshMachine('interrupted')
  scratch = join(ground, 'scratch')
  mkdirSync(scratch)
  const home = smallHome(join(ground, 'home', 'ada'), 28_996)
  // Enough that writing it out takes a while.
  for (let n = 0; n < 12; n++) {
    const noise = randomFillSync(Buffer.alloc(4 * MIB))
    writeFileSync(join(home, '.openclaw', 'workspace', `noise-${n}.bin`), noise)
  }
  const plugin = join(home, '.openclaw', 'plugin-data')
  mkdirSync(plugin)
  const database = new DatabaseSync(join(plugin, 'memory.sqlite'))
  database.exec('create table t (x); insert into t values (randomblob(16000000))')
  database.close()
  fleet = await startFleet(ground)
  agent = await fleet.enrol('ada', home, ground)
  snapshot = (await fleet.operator.json<{ snapshot: string }>('backup', 'ada')).snapshot
  archive = join(ground, 'ada.tar.gz')
  await fleet.operator.json('export', snapshot, '--to', archive)
})

afterAll(() => fleet?.stop())

const all = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
const sizeableIn = (directory: string): boolean =>
  all(directory).some((path) => /noise-0/.test(path))

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly said: string
}

/** Runs `ocm` and, as soon as `isAtIt`, ends it: as a terminal does, the whole group, or it alone. */
async function interrupted(
  args: readonly string[],
  isAtIt: (said: string) => boolean,
  signal: NodeJS.Signals,
  whom: 'group' | 'alone',
): Promise<Ended> {
  const child = spawn(process.execPath, [programOf('ocm'), ...args, '--yes'], {
    env: { ...fleet.operator.env, TMPDIR: scratch },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => (said += part.toString()))
  }
  const over = new Promise<Ended>((resolve) => {
    child.once('close', (code, by) => resolve({ code, signal: by, said }))
  })
  await until(() => isAtIt(said) || child.exitCode !== null, {
    timeoutMs: 60_000,
    everyMs: 2,
    what: `ocm ${args[0]} is in the middle of it`,
  })
  const pid = child.pid ?? 0
  process.kill(whom === 'group' ? -pid : pid, signal)
  const ended = await over
  // Nobody of its group goes on.
  expect(() => process.kill(-pid, 0)).toThrow('ESRCH')
  return ended
}

/** The job of an import is. */
const isAtWork = (said: string) => said.includes('\n… ')
const places = () => join(ground, `to-${readdirSync(ground).length}`)

test.each([
  ['a tree', 'tree', 'SIGTERM', 143, 'alone'],
  ['an archive', 'ada.tar.gz', 'SIGINT', 130, 'group'],
] as const)(
  'an export of %s (%s) that is ended by %s leaves nothing',
  async (_, name, signal, code, whom) => {
    const to = join(places(), name)
    mkdirSync(dirname(to))
    const isAtIt = () => all(dirname(to)).some((path) => /noise-|\.part$/.test(path))
    const ended = await interrupted(['export', snapshot, '--to', to], isAtIt, signal, whom)
    expect(ended).toMatchObject({ code, signal: null })
    expect(all(dirname(to))).toEqual([])
  },
)

test('a recovery into an empty directory leaves it as it was', async () => {
  const to = join(places(), 'out')
  mkdirSync(to, { recursive: true })
  const store = join(ground, 'hub', 'packs')
  const isAtIt = () => sizeableIn(dirname(to))
  const ended = await interrupted(['recover', store, '--to', to], isAtIt, 'SIGTERM', 'alone')
  expect(ended).toMatchObject({ code: 143, signal: null })
  expect(all(dirname(to))).toEqual(['out'])
})

test('an import leaves no unpacked archive, while it is unpacked nor while it is taken in', async () => {
  const unpacking = () => sizeableIn(scratch)
  const one = await interrupted(['import', archive, '--label', 'one'], unpacking, 'SIGINT', 'group')
  expect(one).toMatchObject({ code: 130, signal: null })
  expect(all(scratch)).toEqual([])

  const two = await interrupted(['import', archive, '--label', 'two'], isAtWork, 'SIGTERM', 'alone')
  expect(two).toMatchObject({ code: 143, signal: null })
  expect(all(scratch)).toEqual([])
  // Nobody waits for a node that never comes again.
  const jobs = await fleet.operator.json<{ state: string }[]>('jobs')
  expect(jobs.map(({ state }) => state)).toEqual(['cancelled', 'done'])
})

test('a verify of databases leaves none of them', async () => {
  const checking = () => all(scratch).some((path) => path.endsWith('/database'))
  const verify = ['verify', snapshot, '--databases']
  const ended = await interrupted(verify, checking, 'SIGINT', 'group')
  expect(ended).toMatchObject({ code: 130, signal: null })
  expect(all(scratch)).toEqual([])
})

test('what was interrupted is done when it is asked for again', async () => {
  const to = join(places(), 'out')
  await fleet.operator.json('export', snapshot, '--to', to)
  expect(sizeableIn(to)).toBe(true)
  expect(readdirSync(dirname(to))).toEqual(['out'])
  expect(agent.process.exitCode).toBe(null)
})
