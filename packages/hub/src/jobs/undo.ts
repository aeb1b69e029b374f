/**
 * Taking the last apply of a node back. Of a move the target answers with an ABORT under the move's order, and the source
 * is released with it as after any other ABORT.
 */
import {
  Abort,
  base64url,
  fromBase64url,
  type Job,
  OcmError,
  readStatement,
  Undo,
} from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { Presence } from '../nodes/presence.ts'
import { type ApplyNeeds, nodeOf, orderHash } from './apply.ts'
import { checkNode, type OrderNeeds, readByOperator } from './order.ts'
import type { JobCatalog, StoredJob } from './ports.ts'
import { settle } from './settle.ts'
import type { Work } from './work.ts'

export interface UndoNeeds extends OrderNeeds {
  readonly jobs: JobCatalog
  readonly presence: Presence
}

const refused = (why: string) => new OcmError('undo-refused', { why })

const isApplyDone = ({ kind, state }: Job) =>
  state === 'done' && (kind === 'restore' || kind === 'move' || kind === 'clone')

/**
 * Whether an undo is worth passing on; the node judges it again.
 * @throws OcmError as `readOrder`, and 'undo-refused' with `why`
 */
export async function readUndo(
  needs: UndoNeeds,
  statement: Uint8Array,
): Promise<{ readonly undo: Undo; readonly undone: StoredJob }> {
  const { p, vault, nodes, jobs } = needs
  const undo = readByOperator(p, vault, 'undo', Undo, statement)
  checkNode(await nodes.node(undo.node), vault)
  const undone = await jobs.ofOrder(undo.undoes)
  if (!undone || undone.job.node !== undo.node || !isApplyDone(undone.job)) throw refused('nothing')
  const { id, kind, source, createdAt } = undone.job
  const ofNode = await jobs.jobs(undo.node)
  if (ofNode.some((job) => job.undoes === id && job.kind === 'undo' && job.state === 'done')) {
    throw refused('undone')
  }
  const newest = ofNode.find((job) => job.node === undo.node && isApplyDone(job))
  if (newest?.id !== id) throw refused('another-apply')
  if (kind === 'move' && source !== null) {
    const from = await nodes.node(source)
    if (!from || from.state === 'revoked') throw refused('source-gone')
    const isUsed = (await jobs.jobs(source)).some(
      (job) => job.node === source && isApplyDone(job) && job.createdAt > createdAt,
    )
    if (isUsed) throw refused('source-used')
  }
  return { undo, undone }
}

export interface TakeBackNeeds extends ApplyNeeds {
  readonly jobs: JobCatalog
  readonly presence: Presence
  readonly publish: Publish
}

export const undo = (work: Work, needs: TakeBackNeeds): Promise<void> =>
  work.step('undo', async () => {
    const { id, node, undoes } = work.job
    const undone = undoes === undefined ? undefined : await needs.jobs.job(undoes)
    if (!undone) throw new OcmError('not-found', { what: 'job' })
    const { abort } = await work.ask(node, 'undo', async () => ({
      job: id,
      order: base64url(work.order),
      record: base64url(needs.vault.needed().statement),
    }))
    await needs.nodes.setMovedTo(node, await whereBefore(needs.jobs, undone.job))
    if (undone.job.kind === 'move') await giveBack(work, needs, undone, abort)
    needs.publish({ kind: 'node-changed', node })
  })

/** Where a node had been moved to when an apply, which is taken back now, let it go on. */
async function whereBefore(jobs: JobCatalog, { node, createdAt }: Job): Promise<string | null> {
  const done = (await jobs.jobs(node)).filter(({ state }) => state === 'done')
  const ended = new Set(done.map(({ undoes }) => undoes))
  const last = done.find(
    (job) => isApplyDone(job) && job.createdAt < createdAt && !ended.has(job.id),
  )
  return last?.kind === 'move' && last.source === node ? last.node : null
}

async function giveBack(
  work: Work,
  needs: TakeBackNeeds,
  { job: move, order }: StoredJob,
  abort: string,
): Promise<void> {
  const { p, jobs, nodes, presence, publish } = needs
  const statement = fromBase64url(abort)
  const { key } = await nodeOf(needs, move.node)
  const said = readStatement(p, 'abort', Abort, statement, [key])
  if (order === null || said.order !== orderHash(p, order) || said.node !== move.node) {
    throw new OcmError('order-invalid', { why: 'outcome' })
  }
  await work.save({ outcome: statement })
  const source = await nodeOf(needs, move.source)
  // Read anew: the source may have come back and been fenced meanwhile.
  const isOwed = (await jobs.job(move.id))?.job.unfenced === 'owed'
  const wasOwed = isOwed || work.job.unfenced === 'owed'
  // In this order: cut off in between, the source is still known to have something to hear.
  if (isOwed) await work.save({}, { unfenced: 'owed' })
  if (isOwed) await settle(needs, move.id, {}, 'attested')
  await nodes.setMovedTo(source.id, null)
  publish({ kind: 'node-changed', node: source.id })
  // One that may be off for good is told when it comes: see owed.ts.
  if (wasOwed && !presence.get(source.id)) return
  await release(work, source.id, move.id, { order, abort })
  if (wasOwed) await work.save({}, { unfenced: 'attested' })
}

async function release(
  work: Work,
  source: string,
  job: string,
  { order, abort }: { readonly order: Uint8Array; readonly abort: string },
): Promise<void> {
  try {
    await work.ask(source, 'release', async () => ({ job, order: base64url(order), abort }))
  } catch (error) {
    if (!isNeverFenced(error, work.job)) throw error
  }
}

/** A source that was attested to be off may never have been fenced at all. */
export const isNeverFenced = (error: unknown, { unfenced }: Job): boolean =>
  unfenced !== undefined && error instanceof OcmError && error.code === 'not-found'
