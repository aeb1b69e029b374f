/**
 * A move, as the hub relays it: the target is made ready, the source says FENCED, the target SPEAKs, or ABORTs and the
 * source is released. The hub decides nothing here: each side verifies what the other has signed.
 */
import { base64url, fromBase64url, OcmError } from '@ocm/protocol'
import { checkIsOff, handOverAlone } from './alone.ts'
import { headerOf, nodeOf, stage, tryOut, whyAborted } from './apply.ts'
import { checkFenced } from './fenced.ts'
import { type MoveNeeds, wordOf } from './word.ts'
import type { Work } from './work.ts'

/** Between two times that a source is asked to run again. */
const AGAIN_MS = 3_000

/** What a source says of the ABORT or of the order itself, and would say again. */
const REFUSED: ReadonlySet<string> = new Set([
  'malformed',
  'not-found',
  'order-invalid',
  'signature-invalid',
])

export async function move(work: Work, needs: MoveNeeds): Promise<void> {
  await stage(work, needs)
  await tryOut(work)
  await fence(work, needs)
  await work.step('activate', async () => {
    if (work.job.unfenced === undefined) await handOver(work, needs)
    else await handOverAlone(work, needs)
    await noteMoved(work, needs)
  })
}

const fence = (work: Work, needs: MoveNeeds): Promise<void> =>
  work.step('fence', async () => {
    if (work.job.unfenced !== undefined) {
      checkIsOff(work, needs)
      return 'skipped'
    }
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

async function handOver(work: Work, needs: MoveNeeds): Promise<void> {
  const { fenced, finalSnapshot, fencedAt } = work.stored
  const source = await nodeOf(needs, work.job.source)
  if (!fenced || fencedAt === null) throw new OcmError('internal', { what: 'fenced' })

  const outcome = await wordOf(work, needs, {
    fenced: base64url(fenced),
    header: await headerOf(needs, finalSnapshot),
  })
  if (!outcome.spoke) {
    await release(work, needs, source.id, outcome.outcome)
    throw whyAborted(outcome)
  }
  // The target's clock says when it started; it cannot have been after its answer.
  const elapsed = needs.now() - fencedAt
  const downtimeMs = Math.min(Math.max(outcome.startedAt - fencedAt, 0), elapsed)
  await work.save({}, { downtimeMs })
}

/** Nobody speaks until it runs again, so no failure that may pass is the end of it; why stands in the job. */
async function release(
  work: Work,
  { pause }: MoveNeeds,
  source: string,
  abort: string,
): Promise<void> {
  for (;;) {
    try {
      await work.ask(source, 'release', async () => ({
        job: work.job.id,
        order: base64url(work.order),
        abort,
      }))
      return
    } catch (error) {
      work.signal.throwIfAborted()
      if (!(error instanceof OcmError) || REFUSED.has(error.code)) throw error
      await work.save({}, { error: { code: error.code, facts: { ...error.facts } } })
      await pause(AGAIN_MS, work.signal)
    }
  }
}

async function noteMoved(work: Work, { nodes, publish }: MoveNeeds): Promise<void> {
  const { node: target } = work.job
  const source = await nodeOf({ nodes }, work.job.source)
  await nodes.setMovedTo(source.id, target)
  // One that was moved away itself before goes on here.
  await nodes.setMovedTo(target, null)
  for (const node of [source.id, target]) publish({ kind: 'node-changed', node })
}
