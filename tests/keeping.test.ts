/** What an operator does with snapshots over the years, at the terminal: thin them out, look for rot, change the epoch. */
import { spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fleet, startFleet } from './support/fleet.ts'
import { freshMachine } from './support/openclaw-home.ts'
import { smallHome } from './support/small-home.ts'

interface Snapshot {
  readonly id: string
  readonly damaged: number
  readonly prunedAt: number | null
  readonly metrics: { readonly bytes: number; readonly newBytes: number }
}
interface Job {
  readonly snapshot: string
  readonly warnings: number
}
interface Verified {
  readonly ok: boolean
  readonly whole: readonly string[]
  readonly damaged: readonly string[]
  readonly packs: readonly { readonly affected: readonly { readonly path: string }[] }[]
}

let ground: string
let fleet: Fleet
let workspace: string
const BOUNDED = '-dac_override,-dac_read_search'
/** Oldest first. */
const taken: string[] = []

const ask = <T>(...args: readonly string[]) => fleet.operator.json<T>(...args)
/** Of a command that answers that something is not as it should be. */
async function found<T>(...args: readonly string[]): Promise<T> {
  const answer = await fleet.operator.ocm(...args, '--json', '--yes')
  expect([answer.code, answer.err]).toEqual([1, ''])
  return JSON.parse(answer.out) as T
}
async function backUp(): Promise<string> {
  const job = await ask<Job>('backup', 'ada')
  expect(job.warnings).toBe(0)
  return job.snapshot
}
/** Newest first, without those that can only be taken back. */
async function listed(): Promise<readonly string[]> {
  const all = await ask<Snapshot[]>('snapshots', 'ada')
  return all.filter(({ prunedAt }) => prunedAt === null).map(({ id }) => id)
}

beforeAll(async () => {
  ground = freshMachine('keeping')
  const home = smallHome(join(ground, 'home', 'ada'), 28_995)
  workspace = join(home, '.openclaw', 'workspace')
  fleet = await startFleet(ground)
  // Like any other account, root is to find files that it may not read.
  const through = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', BOUNDED, '--'] : []
  await fleet.enrol('ada', home, ground, undefined, { through })
  for (const n of [0, 1, 2]) {
    writeFileSync(join(workspace, `note-${n}.md`), `line of note ${n}\n`.repeat(400 + n))
    taken.push(await backUp())
  }
})

afterAll(() => fleet?.stop())

test('two snapshots are told apart by file and by line', async () => {
  const [first = '', , third = ''] = taken
  const { entries } = await ask<{ entries: { kind: string; path: string }[] }>('diff', first, third)
  expect(entries.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    'added workspace:main:note-1.md',
    'added workspace:main:note-2.md',
  ])
  const { texts } = await ask<{ texts: { diff: string }[] }>(
    'diff',
    first,
    third,
    'workspace:main:note-2.md',
  )
  expect(texts[0]?.diff).toContain('+line of note 2\n')
  expect(texts[0]?.diff).not.toContain('note 1')
})

test('what no rule keeps goes, when the lock lets it, and comes back', async () => {
  const [first = '', second = '', third = ''] = taken
  await ask('retention', 'set', '--last', '1')
  const locked = await ask<{ nodes: { snapshots: { keep: string[] }[] }[] }>('prune', '--all')
  expect(locked.nodes[0]?.snapshots.every(({ keep }) => keep.includes('locked-age'))).toBe(true)
  const lower = ['retention', 'lock', '--days', '0', '--last', '1']
  const { code } = await found<{ code: string }>(...lower)
  expect(code).toBe('retention-locked')
  await ask(...lower, '--lower')

  await ask('pin', first)
  const { pruned } = await ask<{ pruned: string[] }>('prune', '--all', '--apply')
  expect(pruned).toEqual([second])
  expect(await listed()).toEqual([third, first])
  await ask('prune', '--undo', second)
  expect(await listed()).toEqual([third, second, first])
  expect(await ask<Verified>('verify', 'ada')).toMatchObject({ ok: true, damaged: [] })
  await ask('retention', 'set', '--keep-all')
  await ask('unpin', first)
})

test('a bit that has turned is found without a key, named with one, and not relied on again', async () => {
  const store = join(ground, 'hub', 'packs')
  const bulk = readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => /^[0-9a-f]{64}$/.test(entry.name) && !entry.parentPath.endsWith('snapshots'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes('bulk'))
  // Each run closes its own; the first one's holds the first note.
  const held = new Map(bulk.map((path) => [path, readFileSync(path)]))
  for (const [path, bytes] of held) {
    const turned = Buffer.from(bytes)
    turned[turned.length >> 1] = (turned[turned.length >> 1] as number) ^ 1
    writeFileSync(path, turned)
  }
  const scrub = await found<{ damage: unknown[]; snapshots: { snapshot: string }[] }>(
    'scrub',
    '--all',
  )
  expect(scrub.damage).toHaveLength(bulk.length)
  expect(scrub.snapshots.map(({ snapshot }) => snapshot).toSorted()).toEqual(taken.toSorted())

  const counted = await found<{ snapshots: { snapshot: string; files: number }[] }>(
    'scrub',
    '--files',
  )
  // MEMORY.md and the notes that each of them has, oldest first.
  expect(taken.map((id) => counted.snapshots.find((one) => one.snapshot === id)?.files)).toEqual([
    2, 3, 4,
  ])

  const verified = await found<Verified>('verify', 'ada')
  expect(verified.whole).toEqual([])
  const paths = verified.packs.flatMap(({ affected }) => affected.map(({ path }) => path))
  expect([...new Set(paths)].toSorted()).toEqual([
    'workspace:main:MEMORY.md',
    'workspace:main:note-0.md',
    'workspace:main:note-1.md',
    'workspace:main:note-2.md',
  ])

  const healed = await backUp()
  const again = await found<Verified>('verify', 'ada')
  expect(again.whole).toEqual([healed])
  expect(again.damaged.toSorted()).toEqual(taken.toSorted())
  for (const [path, bytes] of held) writeFileSync(path, bytes)
  await ask('scrub', '--all')
  expect(await ask<Verified>('verify', 'ada')).toMatchObject({ ok: true, damaged: [] })
  expect((await ask<Snapshot[]>('snapshots', 'ada')).every(({ damaged }) => damaged === 0)).toBe(
    true,
  )
})

test('after a new epoch the node stores all it has again, and what was before stays readable', async () => {
  const before = await listed()
  const { epoch, kit } = await ask<{ epoch: number; kit: { code: string } }>('vault', 'epoch')
  expect(epoch).toBe(2)
  expect(kit.code).not.toBe(fleet.recoveryCode)
  const fresh = await backUp()
  const [newest] = await ask<Snapshot[]>('snapshots', 'ada')
  expect(newest?.id).toBe(fresh)
  expect(newest?.metrics.newBytes).toBeGreaterThanOrEqual(newest?.metrics.bytes ?? Infinity)
  const { whole } = await ask<Verified>('verify', 'ada')
  expect(whole.toSorted()).toEqual([fresh, ...before].toSorted())
  const { content } = await ask<{ content: string }>(
    'cat',
    taken[0] ?? '',
    'workspace:main:note-0.md',
  )
  expect(Buffer.from(content, 'base64url').toString()).toBe('line of note 0\n'.repeat(400))

  const out = join(ground, 'out')
  const store = join(ground, 'hub', 'packs')
  await ask('recover', store, '--to', out, '--snapshot', taken[0] ?? '')
  expect(readFileSync(join(out, workspace, 'note-0.md'), 'utf8')).toBe(
    'line of note 0\n'.repeat(400),
  )
  mkdirSync(join(ground, 'none'))
  const none = await found<{ code: string }>('recover', join(ground, 'none'), '--list')
  expect(none.code).toBe('store-not-found')
})

interface Shown {
  readonly warnings: readonly { readonly code: string; readonly detail: string }[]
  readonly unstable: readonly string[]
  readonly omitted: readonly { readonly why: string; readonly paths: readonly string[] }[]
}

test('what a backup could not take as it stood is named by it, by the snapshot and by its list', async () => {
  const state = join(workspace, '..')
  const config = join(state, 'openclaw.json')
  const was = readFileSync(config, 'utf8')
  const given = JSON.parse(was) as { agents: object }
  const list = [{ id: 'main' }, { id: 'wide', workspace: join(state, '..') }]
  writeFileSync(config, JSON.stringify({ ...given, agents: { ...given.agents, list } }))
  spawnSync('mkfifo', [join(workspace, 'pipe')])
  writeFileSync(join(workspace, 'closed.md'), 'for nobody\n', { mode: 0 })
  // Reading it takes longer than anybody keeps us from changing it.
  const restless = join(workspace, 'restless.bin')
  writeFileSync(restless, randomFillSync(Buffer.alloc(24 << 20)))
  const file = openSync(restless, 'r+')
  let ticks = 0
  const writer = setInterval(() => writeSync(file, `${(ticks += 1)}`, 0), 1)
  let said: string
  try {
    said = (await fleet.operator.ocm('backup', 'ada')).out
  } finally {
    clearInterval(writer)
    closeSync(file)
    writeFileSync(config, was)
  }
  const [, warnings, id = ''] =
    /done with (\d+) warnings[^]*ocm snapshots show (\w+)/.exec(said) ?? []
  const [newest] = await ask<{ id: string }[]>('jobs')
  const job = await fleet.operator.ocm('jobs', 'show', newest?.id ?? '')
  expect(job.out).toContain(`ocm snapshots show ${id}`)
  const shown = await ask<Shown>('snapshots', 'show', id)
  expect(shown.warnings).toEqual([
    { code: 'workspace-too-wide', detail: expect.stringContaining('wide') },
  ])
  expect(shown.unstable).toEqual(['workspace:main:restless.bin'])
  expect(shown.omitted).toContainEqual({ why: 'unreadable', paths: ['workspace:main:closed.md'] })
  expect(shown.omitted).toContainEqual({ why: 'special', paths: ['workspace:main:pipe'] })
  expect([warnings, said]).toEqual(['3', expect.any(String)])

  const { out } = await fleet.operator.ocm('snapshots', 'show', id)
  const { out: entryList, err: beneath } = await fleet.operator.ocm('ls', id, 'workspace:main')
  for (const text of [out, beneath]) {
    expect(text).toContain('  workspace:main:closed.md\n')
    expect(text).toContain('  workspace:main:pipe\n')
    expect(text).toContain('  workspace:main:restless.bin\n')
  }
  expect(out).toContain('(workspace-too-wide)')
  expect(entryList).toMatch(/restless\.bin {2}\(changed while it was read\)\n/)
  const entries = await ask<{ path: string; unstable?: boolean }[]>('ls', id)
  expect(entries.filter(({ unstable }) => unstable).map(({ path }) => path)).toEqual(shown.unstable)

  for (const name of ['pipe', 'closed.md', 'restless.bin']) rmSync(join(workspace, name))
  const clean = await fleet.operator.ocm('snapshots', 'show', await backUp())
  expect(clean.out).toContain('Everything was read as it stood')
})

test('a restore is chosen to have a new gateway token, and its cron jobs disabled, at the terminal too', async () => {
  interface Plan {
    readonly choices: { readonly cron: string; readonly gatewayToken: string }
  }
  const [newest = ''] = await listed()
  const restore = ['plan', 'restore', 'ada', newest]
  const { choices: usual } = await ask<Plan>(...restore)
  expect(usual).toMatchObject({ cron: 'keep', gatewayToken: 'keep' })
  const { choices } = await ask<Plan>(...restore, '--gateway-token', 'new', '--disable-cron')
  expect(choices).toMatchObject({ cron: 'disabled', gatewayToken: 'new' })
  const wrong = await fleet.operator.ocm(...restore, '--gateway-token', 'old')
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('keep, new')])
  const parts = await fleet.operator.ocm(...restore, '--gateway-token', 'new', '--only-cron', 'x')
  expect([parts.code, parts.err]).toEqual([2, expect.stringContaining('keeps its own')])
})
