import type { NodeState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { ACTS, mayDo } from './node-acts.ts'

const node = (more: Partial<NodeState> = {}) =>
  ({
    state: 'active',
    confirmed: true,
    online: true,
    job: null,
    movedTo: null,
    lastSnapshot: { id: 's', receivedAt: 0, bytes: 0 },
    ...more,
  }) as NodeState
const allowed = (more: Partial<NodeState>) => ACTS.filter((act) => mayDo(act, node(more)))

test.each([
  ['a node that is well', {}, ['backup', 'move', 'clone', 'restore', 'undo', 'rename', 'retire']],
  ['one that is off', { online: false }, ['move', 'clone', 'restore', 'rename', 'retire']],
  ['one at work', { job: 'j' }, ['move', 'clone', 'restore', 'undo', 'rename', 'retire']],
  ['an unconfirmed one', { confirmed: false }, ['backup', 'confirm', 'rename', 'retire']],
  ['one that moved away', { movedTo: 'b' }, ['clone', 'restore', 'release', 'rename', 'retire']],
  ['a retired one', { state: 'revoked' }, ['rename']],
  [
    'one that two machines were',
    { state: 'quarantined', online: false },
    ['clone', 'restore', 'readmit', 'rename', 'retire'],
  ],
  [
    'one that is reached over ssh',
    { reach: 'ssh', online: false },
    [
      'backup',
      'move',
      'clone',
      'restore',
      'undo',
      'lend',
      'connection',
      'adopt',
      'rename',
      'forget',
      'retire',
    ],
  ],
  [
    'one over ssh that moved away',
    { reach: 'ssh', online: false, movedTo: 'b' },
    ['clone', 'restore', 'release', 'lend', 'connection', 'adopt', 'rename', 'forget', 'retire'],
  ],
  [
    'one without a snapshot',
    { lastSnapshot: null },
    ['backup', 'move', 'undo', 'rename', 'retire'],
  ],
] as const)('%s may be asked for what makes sense', (_, more, acts) =>
  expect(allowed(more)).toEqual(acts),
)
