/**
 * Applying a snapshot to this node, and fencing this node when it is moved away. Every request is idempotent by its
 * job: asked again, it goes on or answers as before. Byte strings are the statements as they arrived.
 */
import { OcmError, type KeyPair, base64url, equal, fromWireError } from '@ocm/protocol'
import { activate, goOn, settle } from './activate.ts'
import { describe } from './describe.ts'
import { fence, release, settleSource } from './fence.ts'
import { type JobRecord, type TargetRecord, openJournal } from './journal.ts'
import { type VerifiedOrder, checkIsMe, readOrder } from './orders.ts'
import type { ApplyParts } from './parts.port.ts'
import { stageBase } from './stage.ts'
import { type Held, type Work, abort, clearScraps, failure, outcomeOf, passes } from './work.ts'
import { turns } from '../turns.ts'

export interface StageRequest {
  readonly job: string
  readonly order: Uint8Array
  readonly record: Uint8Array
  /** The base snapshot's header statement. */
  readonly header: Uint8Array
  /** The public key of the node it is of. */
  readonly source: Uint8Array
}

export interface StageResult {
  /** Of plaintext, written. */
  readonly bytes: number
  /** Files that could not be read and were left out, which an operator had chosen. */
  readonly lost: number
}

export interface ActivateRequest {
  readonly job: string
  /** FENCED and the final snapshot's header; empty unless it is a move. */
  readonly fenced: Uint8Array
  readonly header: Uint8Array
}

export interface Activated {
  /** A SPEAK or ABORT statement. */
  readonly outcome: Uint8Array
  readonly spoke: boolean
  /** Why it aborted, as an error code; '' when it spoke. */
  readonly code: string
  readonly inventoryEqual: boolean | null
  /** When the gateway was found ready, by this node's clock; 0 when it aborted. */
  readonly startedAt: number
}

export interface Apply {
  /**
   * To be called once, before the link is up. When it answers, everything live is wholly old or wholly new; a job that
   * has still to start its gateway goes on by itself.
   */
  recover(): Promise<void>
  /** A signed Description with a new nonce and a new job key. @param record the newest vault record */
  describe(record: Uint8Array): Promise<Uint8Array>
  /** Writes the snapshot beside the live state; nothing live is touched. */
  stage(request: StageRequest): Promise<StageResult>
  activate(request: ActivateRequest): Promise<Activated>
  /** Stops this node for good and answers its FENCED statement. */
  fence(request: {
    readonly job: string
    readonly order: Uint8Array
    readonly record: Uint8Array
  }): Promise<{ readonly fenced: Uint8Array }>
  /** Runs this node again after the target has said ABORT. */
  release(request: {
    readonly job: string
    readonly order: Uint8Array
    readonly abort: Uint8Array
  }): Promise<void>
  /** @throws OcmError 'node-busy' while what is live is neither wholly old nor wholly new */
  checkAtRest(): Promise<void>
  /** Throws away what a job staged; answers when nothing of it is left. */
  discard(job: string): Promise<void>
}

/** What this node has offered last: an order has to name it, and is the only one that ever does. */
export interface Offer {
  readonly nonce: Uint8Array
  readonly jobKey: KeyPair
}

export function createApply(parts: ApplyParts): Apply {
  const work: Work = { ...parts, journal: openJournal(parts.stateDir) }
  const { journal, identity, p } = work
  const held = new Map<string, Held>()
  let offer: Offer | undefined

  // One at a time; and what is asked again while it is at work is answered with that.
  const atWork = new Map<string, Promise<unknown>>()
  const inTurn = turns()
  function once<T>(what: string, job: string, act: () => Promise<T>): Promise<T> {
    const name = `${what} ${job}`
    const running = atWork.get(name) as Promise<T> | undefined
    if (running) return running
    const next = inTurn(act).finally(() => atWork.delete(name))
    atWork.set(name, next)
    return next
  }

  async function read(statement: Uint8Array, record: Uint8Array, job: string) {
    const verified = readOrder(p, statement, await work.vault.acceptRecord(record))
    if (verified.order.job !== job) throw new OcmError('order-invalid', { why: 'job' })
    return verified
  }

  async function stage(request: StageRequest): Promise<StageResult> {
    const { job } = request
    const verified = await read(request.order, request.record, job)
    const { order, hash, sourceKey, targetKey } = verified
    checkIsMe(identity, { id: order.target, key: targetKey })
    if (!equal(request.source, sourceKey)) throw new OcmError('order-invalid', { why: 'source' })
    if (order.kind === 'restore' && order.source !== order.target) {
      throw new OcmError('snapshot-foreign')
    }
    const known = await journal.target(job)
    if (known && known.order !== hash) throw new OcmError('order-invalid', { why: 'used' })
    if (known?.state === 'aborted') throw codeAsError(known.code)
    if (known && known.state !== 'prepared') return resultOf(known)
    if (!known) await takeUp(verified)
    const record = known ?? (await journal.write(prepared(verified)))
    const own = held.get(job)
    if (!own) throw codeAsError((await end(record, 'job-cut-off')).code)
    try {
      return resultOf(await stageBase(work, own, record, request.header))
    } catch (error) {
      const why = failure(work, job, 'staging', error)
      const now = (await journal.target(job)) ?? record
      // A lost link decides nothing: the hub asks again, and it is written again from the start.
      if (passes(why)) await clearScraps(now)
      else await end(now, why.code)
      throw why
    }
  }

  /** Uses the offer up, so no second order can name it. */
  async function takeUp(verified: VerifiedOrder): Promise<void> {
    const { order } = verified
    const isNewest =
      offer !== undefined &&
      equal(offer.nonce, order.nonce) &&
      equal(offer.jobKey.public, order.jobKey)
    if (!offer || !isNewest) throw new OcmError('order-invalid', { why: 'stale' })
    await endOthers()
    held.set(order.job, { verified, jobKey: offer.jobKey })
    offer = undefined
  }

  /** What is staged and not begun gives way. @throws OcmError 'node-busy' when something live is in between */
  async function endOthers(): Promise<void> {
    for (const other of await unfinished()) {
      if (other.state !== 'prepared' && other.state !== 'staged') throw new OcmError('node-busy')
      await end(other, 'job-cancelled')
    }
  }

  const unfinished = async (): Promise<readonly TargetRecord[]> =>
    (await journal.all()).filter(isUnfinished)

  async function end(record: TargetRecord, code: string): Promise<TargetRecord> {
    held.delete(record.job)
    return abort(work, record, code)
  }

  async function discard(job: string): Promise<void> {
    held.delete(job)
    const record = await journal.target(job)
    if (!record) return
    switch (record.state) {
      case 'prepared':
      case 'staged':
        await abort(work, record, 'job-cancelled')
        return
      case 'stopping':
      case 'swapping':
      case 'swapped':
      case 'spoke':
      case 'rolling-back':
        await goOn(work, record)
        return
      case 'committed':
      case 'aborted':
        await clearScraps(record)
    }
  }

  async function recover(): Promise<void> {
    for (const record of await journal.all()) {
      try {
        if (record.role === 'source') await settleSource(work, record)
        else await recoverTarget(record)
      } catch (error) {
        // The journal keeps where it stands. A node that cannot be reached could be helped by nobody.
        failure(work, record.job, 'recovery', error)
      }
    }
  }

  async function recoverTarget(record: TargetRecord): Promise<void> {
    switch (record.state) {
      case 'committed':
      case 'aborted':
        return clearScraps(record)
      case 'staged':
        // Of a move the last delta cannot be opened any more; what else is staged needs no key.
        return
      case 'prepared':
        await end(record, 'job-cut-off')
        return
      case 'stopping':
      case 'swapping':
      case 'swapped':
      case 'spoke':
      case 'rolling-back': {
        const settled = await settle(work, record)
        // Starting a gateway takes minutes, and the link need not wait for it.
        void once('activate', record.job, () => goOn(work, settled)).catch((error: unknown) =>
          failure(work, record.job, 'recovery', error),
        )
      }
    }
  }

  return {
    recover,
    async describe(record) {
      const made = await describe(work, await work.vault.acceptRecord(record))
      offer = made.offer
      return made.statement
    },
    stage: (request) => once('stage', request.job, () => stage(request)),
    activate: (request) =>
      once('activate', request.job, async () => {
        const record = await journal.target(request.job)
        if (!record) throw new OcmError('not-found', { what: 'job' })
        const done = await activate(work, held.get(request.job), record, request)
        held.delete(request.job)
        return done
      }).then(outcomeOf),
    fence: (request) =>
      once('fence', request.job, async () => {
        const verified = await read(request.order, request.record, request.job)
        const { order, hash, sourceKey } = verified
        if (order.kind !== 'move') throw new OcmError('order-invalid', { why: 'kind' })
        checkIsMe(identity, { id: order.source, key: sourceKey })
        const known = await journal.source(request.job)
        if (known && known.order !== hash) throw new OcmError('order-invalid', { why: 'used' })
        // What was staged here under another order must not come to life when another node speaks.
        offer = undefined
        await endOthers()
        return { fenced: await fence(work, verified, known) }
      }),
    release: (request) =>
      once('release', request.job, async () => {
        const record = await journal.source(request.job)
        if (!record) throw new OcmError('not-found', { what: 'job' })
        await release(work, record, request)
      }),
    async checkAtRest() {
      for (const record of await journal.all()) {
        const isMoving =
          record.role === 'source'
            ? ['stopping', 'putting-back', 'releasing'].includes(record.state)
            : isUnfinished(record) && record.state !== 'prepared' && record.state !== 'staged'
        if (isMoving) throw new OcmError('node-busy')
      }
    },
    discard: (job) => once('discard', job, () => discard(job)),
  }
}

const resultOf = ({ bytes, lost = 0 }: TargetRecord): StageResult => ({ bytes, lost })

const isUnfinished = (record: JobRecord): record is TargetRecord =>
  record.role === 'target' && record.state !== 'committed' && record.state !== 'aborted'

const prepared = ({ order, hash, sourceKey }: VerifiedOrder): TargetRecord => ({
  v: 1,
  role: 'target',
  job: order.job,
  kind: order.kind,
  state: 'prepared',
  order: hash,
  source: order.source,
  sourceKey: base64url(sourceKey),
  fenceEpoch: order.fenceEpoch,
  units: [],
  scraps: [],
  layout: null,
  inventory: null,
  bytes: 0,
  renames: [],
  gateway: null,
  fenced: null,
  speak: null,
  code: '',
  outcome: null,
})

/** How an aborted job answers when it is asked again; its facts are gone, its code is not. */
const codeAsError = (code: string): OcmError => fromWireError({ code, facts: {} })
