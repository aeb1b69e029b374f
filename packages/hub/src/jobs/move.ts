/**
 * A move, as the hub relays it: the target is made ready, the source says FENCED, the target SPEAKs, or ABORTs and the
 * source is released. The hub decides nothing here: each side verifies what the other has signed.
 */
import { base64url, Fenced, fromBase64url, OcmError, readStatement } from '@ocm/protocol'
import type { Publish } from '../events.ts'
import {
  activate,
  type ApplyNeeds,
  headerOf,
  nodeOf,
  orderHash,
  stage,
  tryOut,
  whyAborted,
} from './apply.ts'
import type { Work } from './work.ts'

export interface MoveNeeds extends ApplyNeeds {
  readonly publish: Publish
  readonly now: () => number
}

export async function move(work: Work, needs: MoveNeeds): Promise<void> {
  await stage(work, needs)
  await tryOut(work)
  await fence(work, needs)
  await work.step('activate', () => handOver(work, needs))
}

const fence = (work: Work, needs: MoveNeeds): Promise<void> =>
  work.step('fence', async () => {
    const { id } = work.job
    const source = await nodeOf(needs, work.job.source)
    const { fenced } = await work.ask(source.id, 'fence', async () => ({
      job: id,
      order: base64url(work.order),
      record: base64url(needs.vault.needed().statement),
    }))
    const fencedAt = needs.now()
    const statement = fromBase64url(fenced)
    const said = readStatement(needs.p, 'fenced', Fenced, statement, [source.key])
    const final = await needs.snapshots.snapshot(said.snapshot)
    const fits =
      said.order === orderHash(needs.p, work.order) &&
      said.node === source.id &&
      final?.node === source.id
    if (!fits) throw new OcmError('order-invalid', { why: 'fenced' })
    await work.save({ fenced: statement, finalSnapshot: said.snapshot, fencedAt })
  })

async function handOver(work: Work, needs: MoveNeeds): Promise<void> {
  const { nodes, publish, now } = needs
  const { fenced, finalSnapshot, fencedAt } = work.stored
  const { id, node: target } = work.job
  const source = await nodeOf(needs, work.job.source)
  if (!fenced || fencedAt === null) throw new OcmError('internal', { what: 'fenced' })

  const outcome = await wordOf(work, needs, {
    fenced: base64url(fenced),
    header: await headerOf(needs, finalSnapshot),
  })
  if (!outcome.spoke) {
    await work.ask(source.id, 'release', async () => ({
      job: id,
      order: base64url(work.order),
      abort: outcome.outcome,
    }))
    throw whyAborted(outcome)
  }
  await nodes.setMovedTo(source.id, target)
  // The target's clock says when it started; it cannot have been after its answer.
  const downtimeMs = Math.min(Math.max(outcome.startedAt - fencedAt, 0), now() - fencedAt)
  await work.save({}, { downtimeMs })
  for (const node of [source.id, target]) publish({ kind: 'node-changed', node })
}

/**
 * Between FENCED and the target's word nobody speaks, so a failure must not be the end of it: the target is told to
 * leave off, and then has an ABORT to give.
 */
async function wordOf(work: Work, needs: MoveNeeds, final: { fenced: string; header: string }) {
  try {
    return await activate(work, needs, final)
  } catch (error) {
    work.signal.throwIfAborted()
    if (!(error instanceof OcmError)) throw error
    await work.ask(work.job.node, 'discard', async () => ({ job: work.job.id }))
    return activate(work, needs, final)
  }
}
