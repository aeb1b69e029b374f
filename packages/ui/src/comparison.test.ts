import type { Comparison } from '@ocm/operator'
import type { NodeState, SnapshotState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { changesByPart, shownValue, snapshotFor, twinPairs } from './comparison.ts'

const nothing: Comparison = { config: [], lists: [], entries: [], unknown: [] }

test('only parts in which something differs are shown, the configuration first', () => {
  expect(changesByPart(nothing)).toEqual([])
  const parts = changesByPart({
    ...nothing,
    entries: [
      {
        kind: 'added',
        section: 'workspaces',
        path: 'workspace:main:a',
        entry: 'file',
        bytes: { before: 0, after: 1 },
        what: [],
      },
    ],
    lists: [{ what: 'cron jobs', section: 'cron', kind: 'removed', name: 'daily' }],
    config: [{ kind: 'added', path: 'a', after: 1 }],
  })
  expect(parts.map(({ part, lines }) => [part, lines.length])).toEqual([
    ['config', 1],
    ['cron', 1],
    ['workspaces', 1],
  ])
})

test('a node stands for its newest snapshot unless one is chosen', () => {
  const nodes = [{ id: 'n', lastSnapshot: { id: 'new' } }] as unknown as NodeState[]
  const snapshots = [{ id: 'new' }, { id: 'old' }] as unknown as SnapshotState[]
  expect(snapshotFor({ node: 'n', snapshot: '' }, nodes, snapshots)).toBe('new')
  expect(snapshotFor({ node: 'n', snapshot: 'old' }, nodes, snapshots)).toBe('old')
  expect(snapshotFor({ node: 'n', snapshot: 'gone' }, nodes, snapshots)).toBeUndefined()
  expect(snapshotFor({ node: 'other', snapshot: '' }, nodes, snapshots)).toBeUndefined()
})

const node = (id: string, twin: string) =>
  ({ id, twins: [{ node: twin, kinds: ['bot-token'] }] }) as unknown as NodeState

test('a pair that goes by one identity is told once', () => {
  const pairs = twinPairs([node('a', 'b'), node('b', 'a')])
  expect(pairs.map(({ one, other }) => [one.id, other.id])).toEqual([['a', 'b']])
  expect(twinPairs([node('a', 'gone')])).toEqual([])
})

test('values are shown as people write them', () => {
  expect(shownValue('{state}/x')).toBe('{state}/x')
  expect(shownValue({ a: [1] })).toBe('{"a":[1]}')
  expect(shownValue(undefined)).toBe('')
})
