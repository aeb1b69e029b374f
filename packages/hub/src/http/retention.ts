/** What stays and what goes: policy, lock, prune, pin and scrub. All of it for operators; nodes have no way here. */
import {
  Hash,
  Id,
  OcmError,
  PackDamage,
  PrunePreview,
  PruneRequest,
  PruneResult,
  RetentionState,
  ScrubState,
  SetLock,
  SetPolicy,
  SnapshotState,
  Strict,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type PolicyNeeds, resume, retentionState, setLock, setPolicy } from '../keeping/policy.ts'
import { previewPrune, prune, type PruneNeeds, setPinned, undoPrune } from '../keeping/prune.ts'
import type { Scrub } from '../keeping/scrub.ts'
import type { SnapshotCatalog } from '../nodes/ports.ts'
import { route } from './route.ts'
import { operatorOf } from './who.ts'

export interface RetentionNeeds extends PolicyNeeds, Omit<PruneNeeds, 'snapshots'> {
  readonly snapshots: Pick<SnapshotCatalog, 'snapshot' | 'setVerified'>
  readonly scrub: Pick<Scrub, 'startFull' | 'state'>
}

const ByHash = Strict({ id: Hash })
const OfNode = Type.Object({ node: Type.Optional(Id) }, { additionalProperties: false })
/** As many snapshots as a request may name. */
const PRUNE_BYTES = 8 * 1024 * 1024

export function retentionRoutes(api: FastifyInstance, needs: RetentionNeeds): void {
  const { keeping, snapshots, nodes, scrub, audit, now } = needs

  const snapshotOf = async (id: string): Promise<SnapshotState> => {
    const found = await snapshots.snapshot(id)
    if (!found) throw new OcmError('not-found', { what: 'snapshot' })
    const { header: _, ...state } = found
    return state
  }

  route(api, 'GET', '/retention', { answer: RetentionState }, () => retentionState(needs))

  route(
    api,
    'PUT',
    '/retention/policy',
    { body: SetPolicy, answer: RetentionState },
    async (request) => {
      await setPolicy(needs, request.body, operatorOf(request).name)
      return retentionState(needs)
    },
  )

  route(
    api,
    'PUT',
    '/retention/lock',
    { body: SetLock, answer: RetentionState },
    async (request) => {
      await setLock(needs, request.body, operatorOf(request).name)
      return retentionState(needs)
    },
  )

  route(api, 'POST', '/retention/resume', { answer: RetentionState }, async (request) => {
    await resume(needs, operatorOf(request).name)
    return retentionState(needs)
  })

  route(api, 'GET', '/prune', { query: OfNode, answer: PrunePreview }, async (request) => {
    const { node } = request.query
    if (node !== undefined && !(await nodes.node(node))) throw new OcmError('node-unknown')
    return previewPrune(needs, node)
  })

  route(
    api,
    'POST',
    '/prune',
    { body: PruneRequest, answer: PruneResult, bodyLimit: PRUNE_BYTES },
    (request) => prune(needs, request.body.snapshots, operatorOf(request).name),
  )

  route(
    api,
    'POST',
    '/snapshots/:id/undo',
    { params: ByHash, answer: SnapshotState },
    async (request) => {
      const { id } = request.params
      await undoPrune(needs, id, operatorOf(request).name)
      return snapshotOf(id)
    },
  )

  for (const [word, pinned] of [
    ['pin', true],
    ['unpin', false],
  ] as const) {
    route(
      api,
      'POST',
      `/snapshots/:id/${word}`,
      { params: ByHash, answer: SnapshotState },
      async (request) => {
        const { id } = request.params
        await setPinned(needs, id, pinned, operatorOf(request).name)
        return snapshotOf(id)
      },
    )
  }

  route(
    api,
    'GET',
    '/snapshots/:id/damage',
    { params: ByHash, answer: Type.Array(PackDamage) },
    async (request) => {
      const { id } = await snapshotOf(request.params.id)
      return keeping.damage(id)
    },
  )

  route(
    api,
    'POST',
    '/snapshots/:id/verified',
    { params: ByHash, answer: SnapshotState },
    async (request) => {
      const { id } = request.params
      const actor = operatorOf(request).name
      if (!(await snapshots.setVerified(id, now()))) {
        throw new OcmError('not-found', { what: 'snapshot' })
      }
      await audit.note({ at: now(), actor, action: 'verified', subject: id })
      return snapshotOf(id)
    },
  )

  route(api, 'GET', '/scrub', { answer: ScrubState }, () => scrub.state())

  route(api, 'POST', '/scrub', { answer: ScrubState }, async (request) => {
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'scrub', subject: 'all' })
    await scrub.startFull()
    return scrub.state()
  })
}
