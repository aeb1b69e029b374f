/**
 * A move, as the hub relays it: the target is made ready, the source says FENCED, the target SPEAKs, or ABORTs and the
 * source is released. The hub decides nothing here: each side verifies what the other has signed.
 */
import { base64url, Fenced, fromBase64url, OcmError, readStatement } from '@ocm/protocol'
import type { Publish } from '../events.ts'
import type { Node } from '../nodes/ports.ts'
import type { Presence } from '../nodes/presence.ts'
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
  readonly presence: Presence
  readonly publish: Publish
  readonly now: () => number
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
}

export async function move(work: Work, needs: MoveNeeds): Promise<void> {
  await stage(work, needs)
  await tryOut(work)
  await fence(work, needs)
  await work.step('activate', () => handOver(work, needs))
}

const fence = (work: Work, needs: MoveNeeds): Promise<void> =>
  work.step('fence', async () => {
    if (work.job.unfenced !== undefined) return passOver(work, needs)
    const { id } = work.job
    const source = await nodeOf(needs, work.job.source)
    const { fenced } = await work.ask(source.id, 'fence', async () => ({
      job: id,
      order: base64url(work.order),
      record: base64url(needs.vault.needed().statement),
    }))
    const fencedAt = needs.now()
    const statement = fromBase64url(fenced)
    const finalSnapshot = await checkFenced(needs, work.order, source, statement)
    await work.save({ fenced: statement, finalSnapshot, fencedAt })
    return
  })

/** An operator attested that the source is off. @throws OcmError 'source-online' when it is not */
function passOver(work: Work, { presence }: MoveNeeds): 'skipped' {
  // Once the target was asked to speak there is no way back: the source is fenced as soon as it can be.
  const { source } = work.job
  if (!work.isBegun('activate') && source !== null && presence.get(source)) {
    throw new OcmError('source-online')
  }
  return 'skipped'
}

/** @returns the final snapshot. @throws OcmError 'signature-invalid', 'order-invalid' */
export async function checkFenced(
  { p, snapshots }: Pick<ApplyNeeds, 'p' | 'snapshots'>,
  order: Uint8Array,
  source: Node,
  statement: Uint8Array,
): Promise<string> {
  const said = readStatement(p, 'fenced', Fenced, statement, [source.key])
  const final = await snapshots.snapshot(said.snapshot)
  const fits =
    said.order === orderHash(p, order) && said.node === source.id && final?.node === source.id
  if (!fits) throw new OcmError('order-invalid', { why: 'fenced' })
  return said.snapshot
}

async function handOver(work: Work, needs: MoveNeeds): Promise<void> {
  const { nodes, publish, now } = needs
  const { fenced, finalSnapshot, fencedAt } = work.stored
  const { id, node: target } = work.job
  const isAlone = work.job.unfenced !== undefined
  const source = await nodeOf(needs, work.job.source)
  if (!isAlone && (!fenced || fencedAt === null)) throw new OcmError('internal', { what: 'fenced' })

  const outcome = await wordOf(work, needs, {
    fenced: base64url(fenced ?? new Uint8Array(0)),
    header: isAlone ? '' : await headerOf(needs, finalSnapshot),
  })
  if (!outcome.spoke) {
    if (isAlone) throw whyAborted(outcome)
    await work.ask(source.id, 'release', async () => ({
      job: id,
      order: base64url(work.order),
      abort: outcome.outcome,
    }))
    throw whyAborted(outcome)
  }
  await nodes.setMovedTo(source.id, target)
  // One that was moved away itself before goes on here.
  await nodes.setMovedTo(target, null)
  if (isAlone) await work.save({}, { unfenced: 'owed' })
  if (fencedAt !== null) {
    // The target's clock says when it started; it cannot have been after its answer.
    const downtimeMs = Math.min(Math.max(outcome.startedAt - fencedAt, 0), now() - fencedAt)
    await work.save({}, { downtimeMs })
  }
  for (const node of [source.id, target]) publish({ kind: 'node-changed', node })
}

/** Between two times that a target which cannot leave off is asked again. */
const AGAIN_MS = 3_000

/**
 * Between FENCED and the target's word nobody speaks, so no failure is the end of it: the target is told to leave off, and
 * then has an ABORT to give. While it cannot even do that (a gateway that will not stop), it is asked again and again, and
 * why stands in the job.
 */
async function wordOf(work: Work, needs: MoveNeeds, final: { fenced: string; header: string }) {
  for (let round = 0; ; round++) {
    // Told to leave off it has an ABORT to give at once; one that has neither is not to be asked all the time.
    if (round > 1) await needs.pause(AGAIN_MS, work.signal)
    for (const method of ['activate', 'discard'] as const) {
      try {
        if (method === 'activate') return await activate(work, needs, final)
        await work.ask(work.job.node, method, async () => ({ job: work.job.id }))
      } catch (error) {
        work.signal.throwIfAborted()
        if (!(error instanceof OcmError)) throw error
        await work.save({}, { error: { code: error.code, facts: { ...error.facts } } })
        if (method === 'discard') await needs.pause(AGAIN_MS, work.signal)
      }
    }
  }
}
