import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Entry, type Inventory, type Manifest, utf8 } from '@ocm/protocol'
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
const manifest = (more: Partial<Manifest>): Manifest =>
  ({ config: {}, inventory, entries: [], ...more }) as Manifest

describe('comparing snapshots', () => {
  test('finds nothing between a snapshot and itself, whatever the times of its files', () => {
    const a = manifest({ entries: [file('a', 'x')], config: { a: [1] } })
    const b = manifest({ entries: [file('a', 'x', { modifiedAt: 7 })], config: { a: [1] } })
    expect(compareManifests(a, b)).toEqual({ config: [], lists: [], entries: [] })
  })

  test('tells places of the configuration that came, went or changed', () => {
    const a = manifest({ config: { gateway: { port: 1, mode: 'x' }, gone: true } })
    const b = manifest({ config: { gateway: { port: 2, mode: 'x', bind: 'lo' } } })
    expect(compareManifests(a, b).config).toEqual([
      { kind: 'added', path: 'gateway.bind', after: 'lo' },
      { kind: 'changed', path: 'gateway.port', before: 1, after: 2 },
      { kind: 'removed', path: 'gone', before: true },
    ])
  })

  test('tells cron jobs by id with the fields that changed, and the other lists by name', () => {
    const cron = [
      {
        ...(inventory.cron[0] as Inventory['cron'][number]),
        enabled: false,
        schedule: '0 8 * * *',
      },
      {
        id: '2',
        name: 'weekly',
        user: true,
        enabled: true,
        persona: 'main',
        schedule: '0 7 * * 1',
      },
    ]
    const b = manifest({
      inventory: { ...inventory, cron, plugins: ['browser'], sessions: { main: ['a'] } },
    })
    expect(compareManifests(manifest({}), b).lists).toEqual([
      { what: 'cron jobs', kind: 'changed', name: 'daily', fields: ['enabled', 'schedule'] },
      { what: 'cron jobs', kind: 'added', name: 'weekly' },
      { what: 'plugins', kind: 'removed', name: 'memory' },
      { what: 'plugins', kind: 'added', name: 'browser' },
      { what: 'sessions', kind: 'changed', name: 'main: 2 before, 1 after' },
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
