/**
 * What a source has still to hear that was off when its move was ordered: that it is fenced, or that it is not after all,
 * because the target said ABORT or the move was undone. It is told as soon as it comes, and asked until it has done it; the
 * job shows that it is owed until then. While a move is at work it sees to that itself: see alone.ts.
 */
import { base64url, isFinal, type NodeConversation, OcmError, toWireError } from '@ocm/protocol'
import { isAbort, nodeOf } from './apply.ts'
import { askFenced } from './fenced.ts'
import type { JobCatalog, StoredJob } from './ports.ts'
import { settle } from './settle.ts'
import { isNeverFenced } from './undo.ts'
import type { MoveNeeds } from './word.ts'

const AGAIN_MS = 30_000

/** By today's vault record: its operator or a node of it was removed. Nothing was done about it. */
const WORTHLESS: ReadonlySet<string> = new Set([
  'node-unconfirmed',
  'order-invalid',
  'signature-invalid',
])

export interface OwedNeeds extends MoveNeeds {
  readonly jobs: JobCatalog
}

export interface Owed {
  /** There may be something to tell a node, and it may be there. Never throws. */
  tell(node: string): void
  stop(): Promise<void>
}

export function createOwed(needs: OwedNeeds): Owed {
  const { jobs, presence, publish, log, pause } = needs
  const stopping = new AbortController()
  const telling = new Map<string, Promise<void>>()

  async function tellAll(node: string): Promise<void> {
    while (!stopping.signal.aborted) {
      const owed = await owedNow(node)
      const conversation = presence.get(node)
      if (owed.length === 0 || !conversation) return
      const worthless: StoredJob[] = []
      let [isTold, isFenced] = [true, false]
      for (const next of owed) {
        // Undone, or attested, while another one was told.
        if (!(await isOwed(next.job.id))) continue
        const refused = await tellOne(next, conversation, node)
        isFenced ||= (await jobs.job(next.job.id))?.job.unfenced === 'fenced'
        if (refused === undefined) continue
        // In the order in which they were given; but one that counts for nothing any more keeps no other from being heard.
        if (WORTHLESS.has(refused)) worthless.push(next)
        isTold = false
        if (!WORTHLESS.has(refused)) break
      }
      // Nor is it waited for when the source is fenced under another.
      if (isFenced) for (const { job } of worthless) await settle(needs, job.id, {}, 'attested')
      if (!isTold) await pause(AGAIN_MS, stopping.signal)
    }
  }

  /** Not what an operator wants to end just now, by attesting that the target is off. */
  async function owedNow(node: string): Promise<StoredJob[]> {
    const ending = (await jobs.unfinished()).filter(({ job }) => job.kind === 'release')
    const moves = new Set(ending.map(({ job }) => job.undoes))
    return (await jobs.owedTo(node)).filter(({ job }) => !moves.has(job.id))
  }

  /** @returns the code of what went wrong, if something did. */
  async function tellOne(
    next: StoredJob,
    conversation: NodeConversation,
    node: string,
  ): Promise<string | undefined> {
    try {
      if (next.job.kind === 'undo') await undone(next, conversation)
      else if (await hasAborted(next)) await release(next, next, conversation)
      else await fence(next, conversation)
    } catch (error) {
      stopping.signal.throwIfAborted()
      const { code } = toWireError(error)
      log.warn({ code, job: next.job.id, node }, 'a source that came back is not fenced yet')
      return code
    }
    publish({ kind: 'node-changed', node })
    publish({ kind: 'node-changed', node: next.job.node })
    return undefined
  }

  /** One that was asked to fence itself before the target said ABORT. */
  const hasAborted = async ({ job, outcome }: StoredJob): Promise<boolean> =>
    outcome !== null && isAbort(needs.p, outcome, (await nodeOf(needs, job.node)).key)

  async function fence(stored: StoredJob, conversation: NodeConversation): Promise<void> {
    const { id, node } = stored.job
    const said = await askFenced(needs, stored, conversation, stopping.signal).catch(
      async (error: unknown) => {
        if (stopping.signal.aborted || (await isOwed(id))) throw error
        return {}
      },
    )
    if (await settle(needs, id, said, 'fenced')) return
    // Undone while it was fenced, or half: it may have heard of that before there was anything to release.
    const by = (await jobs.jobs(node)).find((job) => job.kind === 'undo' && job.undoes === id)
    const undo = by && (await jobs.job(by.id))
    if (!undo?.outcome) return
    // One that is at work is written by its own work alone.
    if (!isFinal(undo.job.state)) return release(undo, stored, conversation)
    const job = { ...undo.job, unfenced: 'owed' as const }
    await jobs.saveJob({ ...undo, job })
    publish({ kind: 'job-changed', job })
  }

  async function undone(stored: StoredJob, conversation: NodeConversation): Promise<void> {
    const { undoes } = stored.job
    const move = undoes === undefined ? undefined : await jobs.job(undoes)
    if (!move) throw new OcmError('internal', { what: 'order' })
    await release(stored, move, conversation)
  }

  async function release(
    { job, outcome }: StoredJob,
    move: StoredJob,
    conversation: NodeConversation,
  ): Promise<void> {
    if (!outcome || !move.order) throw new OcmError('internal', { what: 'order' })
    const asked = { job: move.job.id, order: base64url(move.order), abort: base64url(outcome) }
    try {
      await conversation.request('release', asked, wait())
    } catch (error) {
      if (!isNeverFenced(error, job)) throw error
    }
    await settle(needs, job.id, {}, 'attested')
  }

  const wait = () => ({ deadlineMs: Number.POSITIVE_INFINITY, signal: stopping.signal })

  const isOwed = async (id: string) => (await jobs.job(id))?.job.unfenced === 'owed'

  return {
    tell(node) {
      if (telling.has(node)) return
      const told = tellAll(node)
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) log.error({ err: error, node }, 'what is owed is not told')
        })
        .finally(() => telling.delete(node))
      telling.set(node, told)
    },
    async stop() {
      stopping.abort()
      await Promise.all(telling.values())
    },
  }
}
