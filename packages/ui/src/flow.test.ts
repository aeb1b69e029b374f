import type { NodeState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { type FlowWish, hindranceOf } from './flow.ts'

const node = (id: string, more: Partial<NodeState> = {}): NodeState => ({
  id,
  label: id,
  key: '',
  confirmed: true,
  state: 'active',
  online: true,
  lastSeenAt: 0,
  enrolledAt: 0,
  agentVersion: '',
  movedTo: null,
  lastSnapshot: null,
  job: null,
  proof: { ticket: '', enrolment: '' },
  ...more,
})
const wish = (more: Partial<FlowWish> = {}): FlowWish => ({
  kind: 'move',
  source: 'a',
  target: 'b',
  snapshot: 'fresh',
  ...more,
})

test.each([
  ['nothing, when both are there', wish(), [node('a'), node('b')], undefined],
  ['no source', wish({ source: '' }), [node('b')], 'no-source'],
  ['one node twice', wish({ target: 'a' }), [node('a')], 'same-node'],
  ['a target that is off', wish(), [node('a'), node('b', { online: false })], 'target-offline'],
  ['a source that is off', wish(), [node('a', { online: false }), node('b')], 'source-offline'],
  ['a job at work', wish(), [node('a', { job: 'j' }), node('b')], 'busy'],
  ['a retired node', wish(), [node('a', { state: 'revoked' }), node('b')], 'source-retired'],
] as const)('a move is hindered by %s', (_, wished, nodes, hindrance) =>
  expect(hindranceOf(wished, nodes)).toBe(hindrance),
)

test('a clone of an old snapshot does not need its source', () => {
  const nodes = [node('a', { online: false }), node('b')]
  expect(hindranceOf(wish({ kind: 'clone', snapshot: 'x' }), nodes)).toBe(undefined)
})

test('a restore goes to the node itself', () => {
  expect(hindranceOf(wish({ kind: 'restore', target: 'a', snapshot: 'x' }), [node('a')])).toBe(
    undefined,
  )
})
