/** What operators decide about retention. Nodes have no way to ask for any of it. */
import { isLower, OcmError, type RetentionState, type SetLock, type SetPolicy } from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { NodeCatalog } from '../nodes/ports.ts'
import type { Audit } from '../people/ports.ts'
import { isAhead } from './clock.ts'
import type { KeepingCatalog } from './ports.ts'

export interface PolicyNeeds {
  readonly keeping: KeepingCatalog
  readonly nodes: Pick<NodeCatalog, 'node'>
  readonly audit: Audit
  readonly publish: Publish
  readonly now: () => number
}

export async function retentionState({
  keeping,
  now,
}: Pick<PolicyNeeds, 'keeping' | 'now'>): Promise<RetentionState> {
  const at = now()
  const { lock, graceHours, ranAt, seenAt, heldAt } = await keeping.settings()
  const policies = await keeping.policies()
  return {
    policy: policies.find(({ of }) => of === null)?.policy ?? null,
    nodes: policies.flatMap(({ of, policy }) => (of === null ? [] : [{ node: of, policy }])),
    lock,
    graceHours,
    ranAt,
    held:
      seenAt !== null && isAhead(at, seenAt)
        ? { since: Math.min(heldAt ?? at, at), lastSeenAt: seenAt }
        : null,
    now: at,
  }
}

/** @throws OcmError 'node-unknown' */
export async function setPolicy(
  { keeping, nodes, audit, publish, now }: PolicyNeeds,
  { node, policy }: SetPolicy,
  actor: string,
): Promise<void> {
  if (node !== null && !(await nodes.node(node))) throw new OcmError('node-unknown')
  // Written down before anything goes by it.
  const subject = `${node ?? 'all'} ${JSON.stringify(policy)}`
  await audit.note({ at: now(), actor, action: 'retention-policy', subject })
  await keeping.setPolicy(node, policy)
  publish({ kind: 'keeping-changed' })
}

/** @throws OcmError 'retention-locked' when it lowers the lock or the grace without saying so */
export async function setLock(
  { keeping, audit, publish, now }: PolicyNeeds,
  { lock, graceHours, lower }: SetLock,
  actor: string,
): Promise<void> {
  const before = await keeping.settings()
  const lowers = isLower(before.lock, lock) || graceHours < before.graceHours
  if (lowers && !lower) {
    throw new OcmError('retention-locked', { ...before.lock, graceHours: before.graceHours })
  }
  const subject = `${lock.days} days, last ${lock.last}, grace ${graceHours} h`
  const action = lowers ? 'retention-lock-lowered' : 'retention-lock'
  await audit.note({ at: now(), actor, action, subject })
  await keeping.saveSettings({ lock, graceHours })
  publish({ kind: 'keeping-changed' })
}

/** The clock is right as it is now. */
export async function resume(
  { keeping, audit, publish, now }: PolicyNeeds,
  actor: string,
): Promise<void> {
  const at = now()
  await audit.note({ at, actor, action: 'retention-resumed', subject: new Date(at).toISOString() })
  await keeping.saveSettings({ seenAt: at, heldAt: null })
  publish({ kind: 'keeping-changed' })
}
