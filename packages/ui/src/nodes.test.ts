import type { NodeState, SnapshotState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { newestOf, nodesMatching, summaryOf } from './nodes.ts'

const node = (label: string, more: Partial<NodeState> = {}) =>
  ({
    id: label,
    label,
    state: 'active',
    online: true,
    confirmed: true,
    movedTo: null,
    ...more,
  }) as NodeState

const fleet = [
  node('pi-10'),
  node('pi-9', { online: false }),
  node('old', { state: 'revoked' }),
  node('new', { confirmed: false }),
  node('gone', { movedTo: 'pi-9' }),
]
const labels = (nodes: readonly NodeState[]) => nodes.map(({ label }) => label)

test('nodes stand by name, numbers as numbers, retired ones only if wished and last', () => {
  expect(labels(nodesMatching(fleet, '', false))).toEqual(['gone', 'new', 'pi-9', 'pi-10'])
  expect(labels(nodesMatching(fleet, '', true)).at(-1)).toBe('old')
  expect(labels(nodesMatching(fleet, ' PI', false))).toEqual(['pi-9', 'pi-10'])
})

test('retired nodes are not counted, and one that moved away is not online', () => {
  expect(summaryOf(fleet)).toEqual({ nodes: 4, online: 2, unconfirmed: 1 })
})

test('the newest snapshot of a node is the one of the highest number, whatever the order', () => {
  const snapshots = [1, 3, 2].map((seq) => ({ node: 'a', seq, id: `${seq}` }) as SnapshotState)
  expect(newestOf(snapshots).get('a')?.id).toBe('3')
})
