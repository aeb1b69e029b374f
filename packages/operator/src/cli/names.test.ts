import type { NodeState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { findNode } from './names.ts'

const node = (label: string, id: string): NodeState => ({
  id: id.padEnd(32, '0'),
  label,
  key: '',
  confirmed: true,
  state: 'active',
  online: true,
  lastSeenAt: null,
  enrolledAt: 0,
  agentVersion: '',
  movedTo: null,
  lastSnapshot: null,
  job: null,
  proof: { ticket: '', enrolment: '' },
})
const nodes = [node('web', 'a1'), node('web-2', 'a2'), node('beta', 'b1'), node('a1', 'c1')]

test.each([
  ['a whole label, although another begins with it', 'web', 'web'],
  ['the beginning of a label', 'be', 'beta'],
  ['the beginning of an id', 'a2', 'web-2'],
  ['a label that another id begins with', 'a1', 'a1'],
  ['a whole id', 'b1'.padEnd(32, '0'), 'beta'],
])('finds a node by %s', (_, name, label) => {
  expect(findNode(nodes, name).label).toBe(label)
})

test('asks for more when a name fits several, and names them', () => {
  expect(() => findNode(nodes, 'we')).toThrow(
    expect.objectContaining({ code: 'wrong-use', message: expect.stringContaining('web-2') }),
  )
})

test.each([[''], ['gamma']])('finds nothing for %j', (name) => {
  expect(() => findNode(nodes, name)).toThrow(expect.objectContaining({ code: 'not-found' }))
})
