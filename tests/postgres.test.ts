/** A hub whose catalog is in PostgreSQL, as people run it: set-up, a node, backups, faults, and the way there and back. */
import { randomFillSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Job, NodeState, SnapshotState } from '@ocm/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { KeptTrees } from './support/kept-trees.ts'
import { freshMachine } from './support/openclaw-home.ts'
import {
  PASSWORD,
  startPostgres,
  type TestPostgres,
  whyNoPostgres,
} from './support/postgres/server.ts'
import { askHub, type RunningHub, startHub } from './support/programs.ts'
import { smallHome } from './support/small-home.ts'
import { until } from './support/until.ts'

const why = whyNoPostgres()

const serve = (data: string, more: readonly string[] = []) =>
  askHub('serve', '--data', data, '--port', '0', ...more)

/** One that is done. */
async function done(...args: readonly string[]): Promise<void> {
  const { code, err } = await askHub(...args)
  if (code !== 0) throw new Error(err)
}

describe.skipIf(why)(`a hub on PostgreSQL${why === undefined ? '' : `: ${why}`}`, () => {
  let postgres: TestPostgres
  let ground: string
  let fleet: Fleet
  let hub: RunningHub
  let option: readonly string[]
  let home: string
  const said: string[] = []

  beforeAll(async () => {
    postgres = await startPostgres()
    ground = freshMachine('postgres')
    const file = join(ground, 'catalog-url')
    writeFileSync(file, `${postgres.remote()}\n`, { mode: 0o600 })
    option = ['--catalog-url-file', file]
    fleet = await startFleet(ground, undefined, { more: option })
    hub = fleet.hub
    home = smallHome(join(ground, 'home', 'ada'), 28_997)
    await fleet.enrol('ada', home, ground)
  })
  afterAll(async () => {
    await fleet?.stop()
    await hub?.stop()
    await postgres?.stop()
  })

  const port = () => Number(new URL(hub.url).port)
  const snapshots = async () =>
    (await fleet.operator.json<SnapshotState[]>('snapshots', 'ada')).map(({ id }) => id).toSorted()
  const isReady = async () => (await fetch(`${hub.url}/readyz`)).status === 200
  const ready = (wanted: boolean) =>
    until(async () => (await isReady()) === wanted, { timeoutMs: 20_000, what: `ready: ${wanted}` })
  const online = (operator = fleet.operator) =>
    until(async () => (await operator.json<NodeState[]>('nodes')).every((node) => node.online), {
      // An agent that found nobody there a few times tries again once in a minute.
      timeoutMs: 90_000,
      what: 'the node is connected',
      everyMs: 300,
    })

  test('keeps backups, and has them after a restart', async () => {
    const { snapshot } = await fleet.operator.json<{ snapshot: string }>('backup', 'ada')
    await hub.stop()
    said.push(hub.output())
    hub = await startHub(hub.data, { port: port(), more: option })
    expect(await snapshots()).toEqual([snapshot])
    await online()
  })

  test('shows the password to nobody', () => {
    const all = [...said, hub.output(), readFileSync(`/proc/${hub.process.pid}/cmdline`, 'latin1')]
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) {
      expect(all.filter((text) => text.includes(secret))).toEqual([])
    }
  })

  test('a second hub is refused, and so is this one when it looks for its catalog elsewhere', async () => {
    const second = await serve(join(ground, 'other'), option)
    expect(second).toMatchObject({ code: 1 })
    expect(second.err).toContain('Another hub uses this catalog.')
    await hub.stop()
    const elsewhere = await serve(hub.data)
    expect(elsewhere).toMatchObject({ code: 1 })
    expect(elsewhere.err).toContain('is in PostgreSQL')
    hub = await startHub(hub.data, { port: port(), more: option })
  })

  test('a backup goes on when PostgreSQL was killed under it', async () => {
    await online()
    const before = await snapshots()
    for (const name of ['a', 'b', 'c']) {
      const noise = randomFillSync(Buffer.alloc(16 << 20))
      writeFileSync(join(home, '.openclaw', 'workspace', `${name}.bin`), noise)
    }
    const asked = fleet.operator.ocm('backup', 'ada', '--json', '--yes')
    const newest = async () => (await fleet.operator.json<Job[]>('jobs'))[0]
    await until(
      async () => (await newest())?.steps.some(({ phase }) => phase === 'files') ?? false,
      {
        timeoutMs: 60_000,
        what: 'files are on their way',
        everyMs: 20,
      },
    )
    await postgres.kill()
    await ready(false)
    await postgres.start()
    await ready(true)
    // Whoever watched it may have been sent away.
    await asked
    await until(async () => (await newest())?.state === 'done', {
      timeoutMs: 120_000,
      what: 'the backup is done',
      everyMs: 300,
    })
    expect(await snapshots()).toHaveLength(before.length + 1)
    const trees = new KeptTrees(join(home, '.openclaw', 'workspace'))
    trees.keep((await newest())?.snapshot ?? '')
    await fleet.operator.json('nodes', 'confirm')
    expect(await trees.comeBack(fleet.operator, join(hub.data, 'packs'), ground)).toEqual({
      kept: 1,
      wrong: [],
    })
  })

  test('changes over to a file, and back to PostgreSQL', async () => {
    const before = await snapshots()
    await done('backup', join(ground, 'copy'), '--data', hub.data, ...option)
    await hub.stop()

    const asFile = join(ground, 'as-file')
    const packs = ['--packs', join(hub.data, 'packs')]
    await done('restore', join(ground, 'copy'), '--data', asFile, ...packs)
    hub = await startHub(asFile, { port: port() })
    expect(await snapshots()).toEqual(before)
    await online()
    const { snapshot } = await fleet.operator.json<{ snapshot: string }>('backup', 'ada')

    await done('backup', join(ground, 'copy-2'), '--data', asFile)
    await hub.stop()
    const back = join(ground, 'back')
    const into = ['restore', join(ground, 'copy-2'), '--data', back, ...packs, ...option]
    expect((await askHub(...into)).err).toContain('There is something already')
    await postgres.sql('drop schema public cascade; create schema public')
    await done(...into)
    hub = await startHub(back, { port: port(), more: option })
    expect(await snapshots()).toEqual([...before, snapshot].toSorted())
    await online()
    await fleet.operator.json('verify', snapshot)
  })
})
