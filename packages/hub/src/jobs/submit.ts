/** What an operator asks for becomes a job. */
import {
  equal,
  fromBase64url,
  type Job,
  type JobRequest,
  newId,
  OcmError,
  STEPS,
  type Trigger,
} from '@ocm/protocol'
import type { Audit } from '../people/ports.ts'
import { orderHash } from './apply.ts'
import { lastFence } from './last-fence.ts'
import { readOrder } from './order.ts'
import type { StoredJob } from './ports.ts'
import { readTargetOff } from './release.ts'
import type { Runner } from './runner.ts'
import { readUndo, type UndoNeeds } from './undo.ts'

export interface SubmitNeeds extends UndoNeeds {
  readonly runner: Runner
  readonly audit: Audit
  readonly now: () => number
}

/** @throws OcmError, see readOrder; and 'order-invalid' with `why` 'used' for an order or a job id that was used before */
export async function submit(needs: SubmitNeeds, request: JobRequest, by: string): Promise<Job> {
  const { p, nodes, runner, audit, now } = needs
  const at = now()

  if (request.kind === 'backup') {
    const node = await nodes.node(request.node)
    if (!node) throw new OcmError('node-unknown')
    if (node.state !== 'active') {
      throw new OcmError(node.state === 'revoked' ? 'node-revoked' : 'node-cloned')
    }
    await audit.note({ at, actor: by, action: 'backup', subject: node.id })
    return addBackup(needs, { node: node.id, by })
  }

  const statement = bytesOf(request.order)
  if (request.kind === 'undo') return submitUndo(needs, statement, by)
  if (request.kind === 'release') return submitRelease(needs, statement, by)
  const order = await readOrder(needs, statement)
  if (order.kind !== request.kind) throw new OcmError('order-invalid', { why: 'kind' })
  // The source would refuse it, of an unfenced move when its target speaks already.
  const { operators } = needs.vault.needed().record
  const last =
    order.kind === 'move' ? await lastFence(needs.jobs, operators, order.source) : undefined
  if (last && order.fenceEpoch <= last.fenceEpoch && !equal(last.statement, statement)) {
    throw new OcmError('order-invalid', { why: 'fence-epoch' })
  }
  const job = newJob({
    id: order.job,
    kind: order.kind,
    node: order.target,
    source: order.source,
    snapshot: order.snapshot,
    ...(order.unfenced && { unfenced: 'attested' }),
    by,
    at,
  })
  // Written down before anything leaves the hub.
  await audit.note({
    at,
    actor: by,
    action: order.unfenced ? 'move-unfenced' : order.kind,
    subject: `${order.source} ${order.target}`,
  })
  await runner.add(stored(job, statement), orderHash(p, statement))
  return job
}

/** @param of a node that is active */
export async function addBackup(
  { p, runner, now }: Pick<SubmitNeeds, 'p' | 'runner' | 'now'>,
  of: { readonly node: string; readonly by: string },
  trigger: Trigger = 'manual',
): Promise<Job> {
  const job = newJob({ id: newId(p), kind: 'backup', at: now(), ...of })
  await runner.add({ ...stored(job, null), trigger }, null)
  return job
}

async function submitUndo(needs: SubmitNeeds, statement: Uint8Array, by: string): Promise<Job> {
  const { audit, now, runner, p } = needs
  const at = now()
  const { undo, undone } = await readUndo(needs, statement)
  const job = newJob({
    id: undo.job,
    kind: 'undo',
    node: undo.node,
    // A source that is fenced is released by it.
    ...(undone.job.kind === 'move' && { source: undone.job.source ?? '' }),
    undoes: undone.job.id,
    by,
    at,
  })
  await audit.note({ at, actor: by, action: 'undo', subject: `${undone.job.id} ${undo.node}` })
  await runner.add(stored(job, statement), orderHash(p, statement))
  return job
}

async function submitRelease(needs: SubmitNeeds, statement: Uint8Array, by: string): Promise<Job> {
  const { audit, now, runner, p } = needs
  const at = now()
  const { attested, move } = await readTargetOff(needs, statement)
  const { node, target } = attested
  const job = newJob({
    id: attested.job,
    kind: 'release',
    node,
    ...(move && { undoes: move.id }),
    by,
    at,
  })
  await audit.note({ at, actor: by, action: 'release-attested', subject: `${node} ${target}` })
  await runner.add(stored(job, statement), orderHash(p, statement))
  // They wait for the very word that will not come: the move, or an undo of it.
  const waiting = move
    ? (await needs.jobs.unfinished()).filter((one) =>
        [one.job.id, one.job.undoes].includes(move.id),
      )
    : []
  for (const one of waiting) {
    if (one.job.kind !== 'release') await runner.giveUp(one.job.id, new OcmError('target-off'))
  }
  return job
}

interface Wish {
  readonly id: string
  readonly kind: Job['kind']
  readonly node: string
  readonly source?: string
  readonly snapshot?: string
  readonly unfenced?: 'attested'
  readonly undoes?: string
  readonly by: string
  readonly at: number
}

const newJob = ({ id, kind, node, source = '', snapshot = '', by, at, ...more }: Wish): Job => ({
  id,
  kind,
  state: 'queued',
  node,
  source: source === '' ? null : source,
  snapshot: snapshot === '' ? null : snapshot,
  steps: STEPS[kind].map((name) => ({
    name,
    state: 'pending',
    startedAt: null,
    endedAt: null,
    phase: '',
    progress: { done: 0, total: 0, unit: 'bytes' },
  })),
  error: null,
  createdAt: at,
  startedAt: null,
  endedAt: null,
  createdBy: by,
  downtimeMs: null,
  inventoryEqual: null,
  ...more,
})

const stored = (job: Job, order: Uint8Array | null): StoredJob => ({
  job,
  trigger: 'manual',
  cancelAsked: false,
  discardOwed: false,
  order,
  fenced: null,
  outcome: null,
  finalSnapshot: null,
  fencedAt: null,
})

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64url(text)
  } catch (cause) {
    throw new OcmError('malformed', { what: 'order' }, { cause })
  }
}
