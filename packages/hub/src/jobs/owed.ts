/**
 * What a source has still to hear that was off when its move was ordered: that it is fenced, or that the move was undone.
 * It is told as soon as it comes, and asked until it has done it; the job shows that it is owed until then.
 */
import {
  base64url,
  fromBase64url,
  type NodeConversation,
  OcmError,
  toWireError,
} from '@ocm/protocol'
import type { Logger } from 'pino'
import { nodeOf } from './apply.ts'
import { checkFenced, type MoveNeeds } from './move.ts'
import type { JobCatalog, StoredJob } from './ports.ts'
import { isNeverFenced } from './undo.ts'

const AGAIN_MS = 30_000

/** By today's vault record: its operator or a node of it was removed. Nothing was done about it. */
const WORTHLESS: ReadonlySet<string> = new Set([
  'node-unconfirmed',
  'order-invalid',
  'signature-invalid',
])

export interface OwedNeeds extends MoveNeeds {
  readonly jobs: JobCatalog
  readonly log: Logger
}

export interface Owed {
  /** There may be something to tell a node, and it may be there. Never throws. */
  tell(node: string | null): void
  stop(): Promise<void>
}

export function createOwed(needs: OwedNeeds): Owed {
  const { jobs, presence, publish, log, pause } = needs
  const stopping = new AbortController()
  const telling = new Map<string, Promise<void>>()

  async function tellAll(node: string): Promise<void> {
    while (!stopping.signal.aborted) {
      const owed = await jobs.owedTo(node)
      const conversation = presence.get(node)
      if (owed.length === 0 || !conversation) return
      let isTold = true
      for (const next of owed) {
        const refused = await tellOne(next, conversation, node)
        if (refused === undefined) continue
        isTold = false
        // In the order in which they were given; but one that counts for nothing any more keeps no other from being heard.
        if (!WORTHLESS.has(refused)) break
      }
      if (!isTold) await pause(AGAIN_MS, stopping.signal)
    }
  }

  /** @returns the code of what went wrong, if something did. */
  async function tellOne(
    next: StoredJob,
    conversation: NodeConversation,
    node: string,
  ): Promise<string | undefined> {
    try {
      await (next.job.kind === 'undo' ? undone : fence)(next, conversation)
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

  async function fence(stored: StoredJob, conversation: NodeConversation): Promise<void> {
    const { job, order } = stored
    if (!order) throw new OcmError('internal', { what: 'order' })
    const source = await nodeOf(needs, job.source)
    const asked = {
      job: job.id,
      order: base64url(order),
      record: base64url(needs.vault.needed().statement),
    }
    const { result } = await conversation.request('fence', asked, wait())
    const fenced = fromBase64url(result.fenced)
    const finalSnapshot = await checkFenced(needs, order, source, fenced)
    await settle(job.id, { fenced, finalSnapshot }, 'fenced')
  }

  async function undone(stored: StoredJob, conversation: NodeConversation): Promise<void> {
    const { job, outcome } = stored
    const move = job.undoes === undefined ? undefined : await jobs.job(job.undoes)
    if (!outcome || !move?.order) throw new OcmError('internal', { what: 'order' })
    const asked = { job: move.job.id, order: base64url(move.order), abort: base64url(outcome) }
    try {
      await conversation.request('release', asked, wait())
    } catch (error) {
      if (!isNeverFenced(error, job)) throw error
    }
    await settle(job.id, {}, 'attested')
  }

  const wait = () => ({ deadlineMs: Number.POSITIVE_INFINITY, signal: stopping.signal })

  /** Unless it was undone meanwhile. */
  async function settle(
    id: string,
    more: Partial<StoredJob>,
    unfenced: 'fenced' | 'attested',
  ): Promise<void> {
    const now = await jobs.job(id)
    if (now?.job.unfenced !== 'owed') return
    const job = { ...now.job, unfenced }
    await jobs.saveJob({ ...now, ...more, job })
    publish({ kind: 'job-changed', job })
  }

  return {
    tell(node) {
      if (node === null || telling.has(node)) return
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
