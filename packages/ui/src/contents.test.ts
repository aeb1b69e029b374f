import { type Manifest, utf8 } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { linesMatching, linesOf, omissionsOf, sectionsOf } from './contents.ts'

const entry = (
  path: string | Uint8Array,
  more: Partial<Manifest['entries'][number]> = {},
): Manifest['entries'][number] => ({
  root: 'state',
  path: typeof path === 'string' ? utf8(path) : path,
  kind: 'file',
  section: 'gateway',
  travel: 'always',
  mode: 0o600,
  modifiedAt: 0,
  size: 10,
  ...more,
})

const entries = [
  entry('z.json'),
  entry('cron', { kind: 'directory', section: 'cron', size: 0 }),
  entry('a.md', { root: 'workspace:main', section: 'workspaces', size: 5, unstable: true }),
  entry(Uint8Array.of(0x66, 0xff, 0x67), { section: 'history' }),
]

test('sections come in their own order and count no directories', () => {
  expect(sectionsOf({ entries })).toEqual([
    { section: 'gateway', files: 1, bytes: 10 },
    { section: 'workspaces', files: 1, bytes: 5 },
    { section: 'history', files: 1, bytes: 10 },
  ])
})

test('a name that is not UTF-8 is shown, not refused', () => {
  expect(linesOf({ entries }).map(({ path }) => path)).toEqual(['f\uFFFDg', 'z.json', 'a.md'])
})

test('lines are found by section and by any part of their place', () => {
  const lines = linesOf({ entries })
  expect(linesMatching(lines, 'all', 'WORKSPACE:')).toMatchObject([
    { path: 'a.md', unstable: true },
  ])
  expect(linesMatching(lines, 'gateway', '')).toMatchObject([{ path: 'z.json' }])
})

test('omissions are counted by reason and show their first places', () => {
  const omissions = Array.from({ length: 7 }, (_, n) => ({
    root: 'state',
    path: utf8(`cache/${n}`),
    why: 'regenerable' as const,
  }))
  expect(omissionsOf({ omissions })).toEqual([
    { why: 'regenerable', count: 7, first: [0, 1, 2, 3, 4].map((n) => `state:cache/${n}`) },
  ])
})
