import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Entry,
  type Inventory,
  type Layout,
  type Manifest,
  type Views,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import { describe, expect, test } from 'vitest'
import { compareManifests } from './compare.ts'
import { unifiedDiff } from './text.ts'

const file = (path: string, content: string, more: Partial<Entry> = {}): Entry => ({
  root: 'state',
  path: utf8(path),
  kind: 'file',
  section: 'gateway',
  travel: 'always',
  mode: 0o600,
  modifiedAt: 0,
  size: content.length,
  sha256: p.sha256(utf8(content)),
  extents: [],
  ...more,
})
const inventory: Inventory = {
  personas: ['main'],
  cron: [
    { id: '1', name: 'daily', user: true, enabled: true, persona: 'main', schedule: '0 7 * * *' },
  ],
  authProfiles: [],
  plugins: ['memory'],
  skills: [],
  channels: [],
  pairings: 1,
  sessions: { main: ['a', 'b'] },
}
const layout = (home: string, more: Partial<Layout> = {}): Layout => ({
  platform: 'linux',
  hostname: 'host-of-alice',
  user: 'alice',
  uid: 1000,
  roots: {
    home,
    state: `${home}/.openclaw`,
    'workspace:main': `${home}/.openclaw/workspace`,
    'workspace:desk': `${home}/desk`,
  },
  port: 18_789,
  versions: { openclaw: '2026.9.6', schemas: {}, node: '24', agent: '1' },
  ...more,
})
const views: Views = { machine: [], files: [], environment: {}, cron: {} }
const manifest = (more: Partial<Manifest> = {}): Manifest => ({
  v: 1,
  layout: layout('/home/alice'),
  config: {},
  inventory,
  holdings: [],
  views,
  warnings: [],
  startedAt: 0,
  entries: [],
  omissions: [],
  mentions: [],
  ...more,
})
const configAt = (state: string, desk: string, port: number, host: string) => ({
  agents: {
    list: [
      { id: 'main', workspace: `${state}/workspace` },
      { id: 'desk', workspace: desk },
    ],
  },
  gateway: { port, origins: [`http://${host}:${port}`, 'https://else.example:18789'] },
  logging: { file: `${state}/logs/out.log` },
  meta: { lastTouchedVersion: host },
})
const NOTHING = { config: [], lists: [], entries: [], unknown: [] }

describe('comparing snapshots of one node', () => {
  test('finds nothing between a snapshot and itself, whatever the times of its files', () => {
    const a = manifest({ entries: [file('a', 'x')], config: { a: [1] } })
    const b = manifest({ entries: [file('a', 'x', { modifiedAt: 7 })], config: { a: [1] } })
    expect(compareManifests(a, b)).toEqual(NOTHING)
  })

  test('tells places of the configuration that came, went or changed', () => {
    const a = manifest({ config: { gateway: { bind: 1, mode: 'x' }, gone: true } })
    const b = manifest({ config: { gateway: { bind: 2, mode: 'x', tls: 'lo' } } })
    expect(compareManifests(a, b).config).toEqual([
      { kind: 'changed', path: 'gateway.bind', before: 1, after: 2 },
      { kind: 'added', path: 'gateway.tls', after: 'lo' },
      { kind: 'removed', path: 'gone', before: true },
    ])
  })

  test('tells entries by place, with what of them changed, within a section or a directory', () => {
    const a = manifest({
      entries: [
        file('a', 'x'),
        file('b', 'x'),
        file('d/c', 'x', { section: 'cron' }),
        file('e', 'x'),
      ],
    })
    const b = manifest({
      entries: [
        file('a', 'y'),
        file('d/c', 'x', { section: 'cron', mode: 0o644 }),
        file('d/n', 'new'),
        file('e', 'x'),
      ],
    })
    const { entries } = compareManifests(a, b)
    expect(entries.map(({ kind, path, what }) => [kind, path, what])).toEqual([
      ['changed', 'state:a', ['content']],
      ['removed', 'state:b', []],
      ['changed', 'state:d/c', ['mode']],
      ['added', 'state:d/n', []],
    ])
    const within = (where: Parameters<typeof compareManifests>[2]) =>
      compareManifests(a, b, where).entries.map(({ path }) => path)
    expect(within({ section: 'cron' })).toEqual(['state:d/c'])
    expect(within({ place: 'state:d' })).toEqual(['state:d/c', 'state:d/n'])
    expect(within({ place: 'home' })).toEqual([])
  })

  test('says that a directory came with what is in it only once', () => {
    const directory = (path: string) => file(path, '', { kind: 'directory', size: 0 })
    const b = manifest({
      entries: [directory('d'), directory('d/e'), file('d/e/f', ''), directory('g')],
    })
    const paths = compareManifests(manifest(), b).entries.map(({ path }) => path)
    expect(paths).toEqual(['state:d/e/f', 'state:g'])
  })
})

describe('comparing two nodes', () => {
  const bobs = layout('/srv/bob', {
    hostname: 'host-of-bob',
    roots: {
      home: '/srv/bob',
      state: '/srv/bob/.openclaw-ops',
      'workspace:main': '/srv/bob/.openclaw-ops/workspace',
      'workspace:desk': '/mnt/desks/quill',
    },
    port: 19_001,
  })
  const machine = {
    ...views,
    machine: ['/meta'],
    environment: { KEY: '•1111', SAME: '•3333', PLACE: '/home/alice/x' },
  }
  const source = manifest({
    config: configAt('/home/alice/.openclaw', '~/desk', 18_789, 'host-of-alice'),
    views: {
      ...machine,
      cron: { 1: { payload: { message: 'sweep /home/alice/desk\nkeep /home/alice/x' } } },
    },
    entries: [
      file('link', '', { kind: 'link', target: utf8('/home/alice/desk/x') }),
      file('own', 'x', { travel: 'identity' }),
      file('database', 'x', { kind: 'database' }),
      file('openclaw.json', 'with alice'),
    ],
  })
  const moved = manifest({
    layout: bobs,
    config: configAt('/srv/bob/.openclaw-ops', '/mnt/desks/quill', 19_001, 'host-of-bob'),
    // The second line was left as it was.
    views: {
      ...machine,
      environment: { ...machine.environment, PLACE: '/srv/bob/x' },
      files: ['state:openclaw.json'],
      cron: { 1: { payload: { message: 'sweep /mnt/desks/quill\nkeep /home/alice/x' } } },
    },
    entries: [
      file('link', '', { kind: 'link', target: utf8('/mnt/desks/quill/x') }),
      file('own', 'y', { travel: 'identity' }),
      file('database', 'y', { kind: 'database' }),
      file('openclaw.json', 'with bob'),
    ],
  })

  test('finds nothing but places, ports, hosts and what OpenClaw notes by itself: a moved node is its source', () => {
    expect(compareManifests(source, moved)).toEqual(NOTHING)
    expect(compareManifests(moved, source)).toEqual(NOTHING)
  })

  test('tells another path in the form that both understand', () => {
    const other = { ...configAt('/srv/bob/.openclaw-ops', '/mnt/desks/ink', 19_001, 'host-of-bob') }
    expect(compareManifests(source, { ...moved, config: other }).config).toEqual([
      {
        kind: 'changed',
        path: 'agents.list.desk.workspace',
        before: '{workspace:desk}',
        after: '/mnt/desks/ink',
      },
    ])
  })

  test('tells a planted difference of every section', () => {
    const b: Manifest = {
      ...moved,
      layout: { ...bobs, versions: { ...bobs.versions, openclaw: '2026.9.7' } },
      config: { ...(moved.config as object), extra: true },
      holdings: [{ what: 'stored secrets', section: 'credentials', travel: 'always', count: 2 }],
      views: {
        ...machine,
        files: ['state:openclaw.json'],
        environment: { NEW_KEY: '•', KEY: '•2222', SAME: '•', PLACE: '/srv/bob/x' },
        cron: { another: { payload: { message: 'sweep /mnt/desks/quill\nand stop' } } },
      },
      inventory: {
        personas: ['main', 'ink'],
        cron: [
          { ...(inventory.cron[0] as Inventory['cron'][number]), id: 'another', enabled: false },
          { ...(inventory.cron[0] as Inventory['cron'][number]), id: '2', name: 'weekly' },
          {
            ...(inventory.cron[0] as Inventory['cron'][number]),
            id: '3',
            user: false,
            name: 'own',
          },
        ],
        authProfiles: ['openai:manual'],
        plugins: ['browser'],
        skills: ['writing'],
        channels: ['telegram'],
        pairings: 2,
        sessions: { main: ['a'], ink: ['b'] },
      },
      entries: [
        ...moved.entries,
        file('notes.md', 'new', { root: 'workspace:desk', section: 'workspaces' }),
      ],
    }
    const { config, lists, entries, unknown } = compareManifests(source, b)
    expect(config).toEqual([{ kind: 'added', path: 'extra', after: true }])
    expect(entries.map(({ kind, path }) => [kind, path])).toEqual([
      ['added', 'workspace:desk:notes.md'],
    ])
    expect(unknown).toEqual([])
    const told = lists.map(({ what, kind, name, changes = [] }) => [
      what,
      kind,
      name,
      ...changes.map(({ path, before, after }) => [path, before, after]),
    ])
    expect(told).toEqual([
      ['OpenClaw', 'changed', '', ['', '2026.9.6', '2026.9.7']],
      ['personas', 'added', 'ink'],
      [
        'cron jobs',
        'changed',
        'daily',
        ['enabled', true, false],
        [
          'payload.message',
          'sweep {workspace:desk}\nkeep {home}/x',
          'sweep {workspace:desk}\nand stop',
        ],
      ],
      ['cron jobs', 'added', 'weekly'],
      ['auth profiles', 'added', 'openai:manual'],
      ['plugins', 'removed', 'memory'],
      ['plugins', 'added', 'browser'],
      ['skills', 'added', 'writing'],
      ['channels', 'added', 'telegram'],
      ['pairings', 'changed', '', ['', 1, 2]],
      ['conversations', 'changed', 'ink', ['', 0, 1]],
      ['conversations', 'changed', 'main', ['', 2, 1]],
      ['stored secrets', 'changed', '', ['', 0, 2]],
      ['variables', 'changed', 'KEY', ['', '•1111', '•2222']],
      ['variables', 'added', 'NEW_KEY'],
    ])
  })

  test('says what one side does not tell instead of calling it a difference', () => {
    const { views: _, ...older } = source
    expect(compareManifests({ ...older, inventory: null }, moved).unknown).toEqual([
      'inventory',
      'cron jobs',
      'environment',
    ])
  })
})

describe('a diff of texts', () => {
  test('says nothing of equal texts', () => {
    expect(unifiedDiff('a\n', 'a\n', ['a', 'b'])).toBe('')
  })

  test('leads from one text to the other when it is applied', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ocm-diff-'))
    let state = 5
    const below = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n
    const text = () => Array.from({ length: below(40) }, () => `line ${below(6)}`)
    const spell = (lines: readonly string[]) =>
      lines.length === 0 ? '' : lines.join('\n') + (below(4) > 0 ? '\n' : '')
    try {
      for (let i = 0; i < 60; i++) {
        const lines = text()
        const other =
          below(3) > 0 ? lines.toSpliced(below(40), below(5), ...text().slice(0, 4)) : text()
        const [before, after] = [spell(lines), spell(other)]
        const diff = unifiedDiff(before, after, ['file', 'file'])
        if (diff === '') continue
        writeFileSync(join(folder, 'file'), before)
        execFileSync('git', ['apply', '--unidiff-zero', '-p0', '-'], {
          cwd: folder,
          input: `${diff}\n`,
        })
        expect(existing(join(folder, 'file'))).toBe(after)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

const existing = (path: string) => readFileSync(path, 'utf8')
