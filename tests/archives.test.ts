/** OpenClaw's own archives, out of OCM and into it, with the real OpenClaw. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NAMES } from './support/canaries.ts'
import { type Fleet, startFleet } from './support/fleet.ts'
import { ALICE, GATEWAY_PORT, freshMachine, populatedHome } from './support/openclaw-home.ts'
import { gatewayPid } from './support/node-state.ts'
import { openclawJson } from './support/openclaw.ts'
import { treeOf } from './support/trees.ts'

const PORT = GATEWAY_PORT + 60
const desk = join(ALICE, `desk-${NAMES.persona}`)

let ground: string
let fleet: Fleet
let target: string

interface Verified {
  readonly ok: boolean
  readonly entryCount: number
}

interface Imported {
  readonly node: string
  readonly label: string
  readonly leftOut: readonly string[]
}

interface Plan {
  readonly roots: readonly { readonly root: string; readonly from: string; readonly to: string }[]
}

/** The jobs that people made, as they lie in the database. */
function userCron(home: string): readonly string[] {
  const file = join(home, '.openclaw', 'state', 'openclaw.sqlite')
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = database
      .prepare(
        'select job_id, name, store_key, enabled from cron_jobs where declaration_key is null order by name',
      )
      .all()
    return rows.map((row) => JSON.stringify(row))
  } finally {
    database.close()
  }
}

beforeAll(async () => {
  ground = freshMachine('archives')
  target = join(ground, 'home', 'berta')
  await populatedHome()
  fleet = await startFleet(ground)
  await fleet.enrol('alice', ALICE, ground)
})

afterAll(async () => {
  await fleet?.stop()
  const pid = gatewayPid(target)
  if (pid !== undefined) process.kill(pid, 'SIGTERM')
})

test('what is exported is verified by OpenClaw, and as a tree it is what it was', async () => {
  const { snapshot } = await fleet.operator.json<{ snapshot: string }>('backup', 'alice')
  const to = join(ground, 'exported.tar.gz')
  await fleet.operator.json('export', snapshot, '--to', to)
  const verified = (await openclawJson(ground, ['backup', 'verify', to, '--json'])) as Verified
  expect(verified).toMatchObject({ ok: true })

  const tree = join(ground, 'exported')
  await fleet.operator.json('export', snapshot, '--to', tree)
  expect(treeOf(join(tree, desk))).toEqual(treeOf(desk))
})

interface Line {
  readonly path: string
  readonly kind: string
  readonly mode: number
  readonly size: number
}

test('what was exported is taken in again as it was', async () => {
  const [original] = await fleet.operator.json<{ id: string }[]>('snapshots', 'alice')
  const { snapshot } = await fleet.operator.json<{ snapshot: string }>(
    'import',
    join(ground, 'exported.tar.gz'),
    '--label',
    'again',
  )
  const lists = []
  for (const id of [original?.id ?? '', snapshot]) {
    const lines = await fleet.operator.json<Line[]>('ls', id)
    // An absolute link comes back as a relative one.
    lists.push(
      lines.map(({ path, kind, mode, size }) => [path, kind, mode, kind === 'link' || size]),
    )
  }
  expect(lists[1]).toEqual(lists[0])
})

test('what OpenClaw has backed up comes to life elsewhere, with its cron jobs', async () => {
  const archive = join(ground, 'by-openclaw.tar.gz')
  await openclawJson(ALICE, ['backup', 'create', '--output', archive, '--json'])
  const imported = await fleet.operator.json<Imported>('import', archive, '--label', 'from-archive')
  expect(imported).toMatchObject({ label: 'from-archive', leftOut: [] })

  mkdirSync(target, { recursive: true })
  await fleet.enrol('berta', target, ground)
  const clone = ['clone', 'from-archive', 'berta', '--keep-cron', '--port', String(PORT)] as const
  const plan = await fleet.operator.json<Plan>('plan', ...clone)
  const roots = Object.fromEntries(plan.roots.map(({ root, from, to }) => [root, [from, to]]))
  expect(roots).toMatchObject({
    home: [ALICE, target],
    state: [join(ALICE, '.openclaw'), join(target, '.openclaw')],
    [`workspace:${NAMES.persona}`]: [desk, join(target, `desk-${NAMES.persona}`)],
  })

  const stored = userCron(ALICE)
  expect(stored).toHaveLength(3)
  await fleet.operator.json(...clone)
  expect(userCron(target)).toEqual(stored.map((row) => row.replaceAll(ALICE, target)))
}, 600_000)

test('an archive that is none is refused, and nothing of it is kept', async () => {
  const archive = join(ground, 'hostile.tar.gz')
  writeFileSync(archive, gzipSync(Buffer.alloc(1024)))
  const answer = await fleet.operator.ocm('import', archive, '--json', '--yes')
  expect(answer.code).toBe(1)
  expect(JSON.parse(answer.out)).toMatchObject({ code: 'archive-refused' })
})
