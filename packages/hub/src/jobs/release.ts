/** A fenced source runs again because an operator attests that its target is off for good. */
import { base64url, type Job, OcmError, TargetOff } from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { Presence } from '../nodes/presence.ts'
import type { ApplyNeeds } from './apply.ts'
import { checkNode, readByOperator } from './order.ts'
import type { JobCatalog } from './ports.ts'
import { settle } from './settle.ts'
import type { UndoNeeds } from './undo.ts'
import type { Work } from './work.ts'

/**
 * @returns the move, if this hub knows it.
 * @throws OcmError as `readOrder`; 'target-online' when the target is connected
 */
export async function readTargetOff(
  { p, vault, nodes, jobs, presence }: UndoNeeds,
  statement: Uint8Array,
): Promise<{ readonly attested: TargetOff; readonly move: Job | undefined }> {
  const attested = readByOperator(p, vault, 'target-off', TargetOff, statement)
  checkNode(await nodes.node(attested.node), vault)
  if (presence.get(attested.target)) throw new OcmError('target-online')
  const move = (await jobs.ofOrder(attested.order))?.job
  if (move && (move.source !== attested.node || move.node !== attested.target)) {
    throw new OcmError('order-invalid', { why: 'another-order' })
  }
  return { attested, move }
}

export interface ReleaseNeeds extends ApplyNeeds {
  readonly jobs: JobCatalog
  readonly presence: Presence
  readonly publish: Publish
}

/** @throws OcmError 'target-online' when the target has come back while the source was waited for */
export const release = (work: Work, needs: ReleaseNeeds): Promise<void> =>
  work.step('release', async () => {
    const { p, vault, nodes, presence, publish } = needs
    const { id, node, undoes } = work.job
    await work.ask(node, 'letGo', async () => {
      const { target } = readByOperator(p, vault, 'target-off', TargetOff, work.order)
      if (presence.get(target)) throw new OcmError('target-online')
      return {
        job: id,
        order: base64url(work.order),
        record: base64url(vault.needed().statement),
      }
    })
    // It was fenced, though the hub may not have heard of it.
    if (undoes !== undefined) await settle(needs, undoes, {}, 'attested')
    await nodes.setMovedTo(node, null)
    publish({ kind: 'node-changed', node })
  })
