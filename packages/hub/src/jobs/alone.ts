/**
 * A move whose source is attested to be off. Nobody can say that it stays off: from the moment on when the target may
 * speak, the source is to be fenced as soon as it is there, and only the target's ABORT lets it run.
 */
import { OcmError, toWireError } from '@ocm/protocol'
import { nodeOf, whyAborted } from './apply.ts'
import { askFenced } from './fenced.ts'
import { type MoveNeeds, wordOf } from './word.ts'
import type { Work } from './work.ts'

const AGAIN_MS = 3_000

/** @throws OcmError 'source-online' when it is not off, and nothing has been decided */
export function checkIsOff(work: Work, { presence }: Pick<MoveNeeds, 'presence'>): void {
  const { source } = work.job
  if (source !== null && presence.get(source)) throw new OcmError('source-online')
}

/** Answers when the target spoke. @throws OcmError why it did not; then nothing is owed but an ABORT to a source that was asked */
export async function handOverAlone(work: Work, needs: MoveNeeds): Promise<void> {
  if (work.job.unfenced === 'attested') {
    // On disk before the target hears of it.
    await work.save({}, { unfenced: 'owed' })
    try {
      checkIsOff(work, needs)
    } catch (error) {
      await work.save({}, { unfenced: 'attested' })
      throw error
    }
  }
  const hasWord = new AbortController()
  const signal = AbortSignal.any([work.signal, hasWord.signal])
  const fencing = fenceWhenItComes(work, needs, signal)
  const outcome = await wordOf(work, needs, { fenced: '', header: '' }).finally(() => {
    hasWord.abort()
    return fencing
  })
  if (outcome.spoke) return
  // The job keeps the ABORT; whoever tells what is owed passes it on.
  const wasAsked = work.stored.fencedAt !== null
  await work.save({}, { unfenced: wasAsked ? 'owed' : 'attested' })
  throw whyAborted(outcome)
}

/** Until it has said FENCED, or the target has given its word: what is left of it then is told by owed.ts. */
async function fenceWhenItComes(work: Work, needs: MoveNeeds, signal: AbortSignal): Promise<void> {
  const { presence, publish, now, log } = needs
  while (work.job.unfenced !== 'fenced' && !signal.aborted) {
    try {
      const source = await nodeOf(needs, work.job.source)
      const conversation = await presence.whenOnline(source.id, signal)
      // Before it is asked: from then on it may be fenced.
      if (work.stored.fencedAt === null) await work.save({ fencedAt: now() })
      const said = await askFenced(needs, work.stored, conversation, signal)
      await work.save(said, { unfenced: 'fenced' })
      publish({ kind: 'node-changed', node: source.id })
    } catch (error) {
      if (signal.aborted) return
      const { code } = toWireError(error)
      log.warn({ code, job: work.job.id }, 'a source that came back is not fenced yet')
      await needs.pause(AGAIN_MS, signal).catch((why: unknown) => {
        if (!signal.aborted) throw why
      })
    }
  }
}
