import fastify from 'fastify'
import type { NodeState } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { metricsRoute } from './metrics.ts'

const node = (id: string, fence?: NodeState['fence']): NodeState => ({
  id,
  label: id,
  key: '',
  confirmed: true,
  state: 'active',
  online: true,
  lastSeenAt: 0,
  enrolledAt: 0,
  agentVersion: '0.1.0',
  movedTo: null,
  lastSnapshot: null,
  job: null,
  proof: { ticket: '', enrolment: '' },
  ...(fence && { fence }),
})

async function figures(nodes: readonly NodeState[]): Promise<string> {
  const server = fastify()
  server.decorateRequest('operator', { getter: () => ({ id: 'o', name: 'olivia' }) })
  const none = { packs: 0, bytes: 0 }
  metricsRoute(server, {
    nodes: async () => nodes,
    unfinished: async () => [],
    store: async () => ({
      snapshots: 0,
      pruned: 0,
      live: none,
      tombstoned: none,
      damaged: 0,
      oldestCheckAt: null,
    }),
    scrubbed: { ...none, found: 0 },
    retention: async () => ({ held: null, ranAt: null, now: 0 }) as never,
  })
  const { body } = await server.inject('/metrics')
  await server.close()
  return body
}

test('an unfenced move is one, though both of its nodes show it, and a node that is held another', async () => {
  const quiet = await figures([node('a'), node('b')])
  expect(quiet).toMatch(/^ocm_moves_unfenced 0$/m)
  expect(quiet).toMatch(/^ocm_nodes_held 0$/m)
  const owed = { job: 'm', state: 'owed' as const }
  const loud = await figures([
    node('a', owed),
    node('b', owed),
    node('c', { job: 'n', state: 'held' }),
    node('d'),
  ])
  expect(loud).toMatch(/^ocm_moves_unfenced 1$/m)
  expect(loud).toMatch(/^ocm_nodes_held 1$/m)
})
