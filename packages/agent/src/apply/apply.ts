/**
 * Applying a snapshot to this node, and fencing this node when it is moved away. Every request is idempotent by its
 * job: asked again, it goes on or answers as before. Byte strings are the statements as they arrived.
 */
import { OcmError, base64url, equal, fromBase64url, fromWireError } from '@ocm/protocol'
import { activate, goOn, settle } from './activate.ts'
import type { Apply, ByOperator, StageRequest, StageResult, TrialOutcome } from './asked.ts'
import { type Offer, describe } from './describe.ts'
import { fence, keepStill } from './fence.ts'
import { type JobRecord, type SourceRecord, type TargetRecord, openJournal } from './journal.ts'
import { forgetOld, newestApply, notOurs, removeOldCopies } from './leftovers.ts'
import { type VerifiedOrder, checkIsMe, readOrder, readTargetOff, readUndo } from './orders.ts'
import type { ApplyParts } from './parts.port.ts'
import { isPressing } from './pressing.ts'
import { letGo, release as releaseSource, settleSource } from './release.ts'
import { stageBase } from './stage.ts'
import { type Held, type Work, abort, clearScraps, failure, outcomeOf, passes } from './work.ts'
import { endTrial, tryStaged } from './trial.ts'
import { goOnUndoing, settleUndo, undo, undoBegun, undoable } from './undo.ts'
import { turns } from '../turns.ts'

export type { Activated, Apply } from './asked.ts'

export function createApply(parts: ApplyParts): Apply {
  const work: Work = { ...parts, journal: openJournal(parts.stateDir) }
  const { journal, identity, p } = work
  const held = new Map<string, Held>()
  /** At work; a job that is discarded meanwhile does not wait for its end. */
  const trials = new Map<string, AbortController>()
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

  async function trial(job: string): Promise<TrialOutcome> {
    const record = await journal.target(job)
    if (!record) throw new OcmError('not-found', { what: 'job' })
    if (record.state === 'aborted') throw codeAsError(record.code)
    if (record.trial?.outcome) return record.trial.outcome
    if (record.state !== 'staged') throw new OcmError('order-invalid', { why: 'not-staged' })
    const own = held.get(job)
    if (!own) throw codeAsError((await end(record, 'job-cut-off')).code)
    const unwanted = new AbortController()
    trials.set(job, unwanted)
    try {
      const { outcome, tried } = await tryStaged(work, own, record, unwanted.signal)
      if (!outcome.ready && !outcome.skipped) await end(tried, 'trial-failed')
      return outcome
    } catch (error) {
      const why = failure(work, job, 'trial', error)
      await end((await journal.target(job)) ?? record, why.code)
      throw why
    } finally {
      trials.delete(job)
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
    held.set(order.job, { verified, jobKey: offer.jobKey, isAlone: offer.isAlone })
    offer = undefined
  }

  /** What is staged and not begun gives way. @throws OcmError 'node-busy' when something live is in between */
  async function endOthers(): Promise<void> {
    for (const other of await unfinished()) {
      if (other.state !== 'prepared' && other.state !== 'staged') throw new OcmError('node-busy')
      await end(other, 'job-cancelled')
    }
  }

  async function takeBack({ job, order, record }: ByOperator): Promise<TargetRecord> {
    const { undo: wish, hash, nodeKey } = readUndo(p, order, await work.vault.acceptRecord(record))
    if (wish.job !== job) throw new OcmError('order-invalid', { why: 'job' })
    checkIsMe(identity, { id: wish.node, key: nodeKey })
    const known = (await journal.all()).find(
      (one) => one.role === 'target' && one.undo?.order === hash,
    )
    if (known?.role === 'target') {
      if (known.state === 'committed') throw codeAsError(known.undo?.code ?? '')
      return goOnUndoing(work, known)
    }
    useUp(wish.nonce)
    const begun = undoBegun(await journal.all(), wish.undoes)
    if (begun) return goOnUndoing(work, begun)
    // First: what is staged gives way only to an undo that takes place.
    const newest = await undoable(await journal.all(), wish.undoes)
    await endOthers()
    return undo(work, newest, { job, order: hash })
  }

  /** An offer is named once. */
  function useUp(nonce: Uint8Array): void {
    if (!offer || !equal(offer.nonce, nonce)) throw new OcmError('order-invalid', { why: 'stale' })
    offer = undefined
  }

  async function release(request: ByOperator): Promise<void> {
    const newest = await work.vault.acceptRecord(request.record)
    const { attested, hash, nodeKey } = readTargetOff(p, request.order, newest)
    if (attested.job !== request.job) throw new OcmError('order-invalid', { why: 'job' })
    checkIsMe(identity, { id: attested.node, key: nodeKey })
    const fenced = (await journal.all()).find(
      (one) => one.role === 'source' && one.order === attested.order,
    )
    if (fenced?.role !== 'source') throw new OcmError('order-invalid', { why: 'another-order' })
    if (fenced.letGoBy !== hash) useUp(attested.nonce)
    await letGo(work, fenced, attested, hash)
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
        tidyLater(job)
        return
      case 'committed':
      case 'aborted':
        await clearScraps(record)
        return
      case 'undoing':
      case 'redoing':
      case 'undone':
    }
  }

  async function recover(): Promise<void> {
    for (const record of await journal.all()) {
      try {
        if (record.role === 'source') await recoverSource(record)
        else await recoverTarget(record)
      } catch (error) {
        // The journal keeps where it stands. A node that cannot be reached could be helped by nobody.
        failure(work, record.job, 'recovery', error)
      }
    }
    const [any] = await journal.all()
    if (any) tidyLater(any.job)
  }

  let tidying: Promise<unknown> = Promise.resolve()
  /** @param job whose log is told when it cannot be done */
  function tidyLater(job: string): void {
    tidying = once('tidy', job, tidy).catch((error: unknown) =>
      failure(work, job, 'tidying', error),
    )
  }

  /**
   * Removes what is needless by now, when whoever asked has been answered: a large tree takes as long to remove as to
   * write. Cut off, it is done at the next start.
   */
  async function tidy(): Promise<void> {
    const records = await journal.all()
    for (const record of records)
      if (record.role === 'target' && isOver(record)) await clearScraps(record)
    const newest = newestApply(records)
    if (newest) await removeOldCopies(work, newest)
    await forgetOld(work)
  }

  async function recoverSource(record: SourceRecord): Promise<void> {
    await settleSource(work, record)
    if (record.unfenced !== true || record.state !== 'stopping') return
    // Another node speaks in its place: it is fenced, whatever else.
    later('hold', record.job, () => keepStill(work, record))
  }

  /** Starting or stopping a gateway takes minutes, and the link need not wait for it. */
  function later(what: string, job: string, act: () => Promise<unknown>): void {
    void once(what, job, act).catch((error: unknown) => failure(work, job, 'recovery', error))
  }

  async function recoverTarget(record: TargetRecord): Promise<void> {
    switch (record.state) {
      case 'committed':
      case 'aborted':
        return
      case 'staged':
        // Of a move the last delta cannot be opened any more; what else is staged needs no key.
        return endTrial(work, record)
      case 'prepared':
        await end(record, 'job-cut-off')
        return
      case 'stopping':
      case 'swapping':
      case 'swapped':
      case 'spoke':
      case 'rolling-back': {
        const settled = await settle(work, record)
        later('activate', record.job, async () => {
          await goOn(work, settled)
          tidyLater(record.job)
        })
        return
      }
      case 'undoing':
      case 'redoing':
      case 'undone': {
        await settleUndo(work, record)
        if (isUnfinished(record))
          later('undo', record.undo?.job ?? '', () => goOnUndoing(work, record))
      }
    }
  }

  async function checkAtRest(): Promise<void> {
    for (const record of await journal.all()) {
      const isMoving =
        record.role === 'source'
          ? ['stopping', 'putting-back', 'releasing'].includes(record.state)
          : isUnfinished(record) && record.state !== 'prepared' && record.state !== 'staged'
      if (isMoving) throw new OcmError('node-busy')
    }
  }

  async function leave(): Promise<{ readonly kept: number }> {
    await checkAtRest()
    offer = undefined
    await endOthers()
    const records = await journal.all()
    for (const record of records)
      if (record.role === 'target' && isOver(record)) await clearScraps(record)
    await removeOldCopies(work, undefined)
    return { kept: (await notOurs(records)).length }
  }

  return {
    recover,
    async tidied() {
      await tidying
    },
    async describe(record, wish) {
      const asked = wish === undefined ? undefined : { wish, offer }
      const made = await describe(work, await work.vault.acceptRecord(record), asked)
      offer = made.offer
      return made.statement
    },
    stage: (request) => once('stage', request.job, () => stage(request)),
    trial: (job) => once('trial', job, () => trial(job)),
    activate: (request) =>
      once('activate', request.job, async () => {
        const record = await journal.target(request.job)
        if (!record) throw new OcmError('not-found', { what: 'job' })
        const done = await activate(work, held.get(request.job), record, request)
        held.delete(request.job)
        tidyLater(request.job)
        return outcomeOf(done)
      }),
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
        await releaseSource(work, record, request)
      }),
    undo: (request) =>
      once('undo', request.job, () => takeBack(request)).then(({ kind, outcome }) => {
        const isMove = kind === 'move' && outcome !== null
        return { abort: isMove ? fromBase64url(outcome.outcome) : new Uint8Array(0) }
      }),
    letGo: (request) => once('letGo', request.job, () => release(request)),
    isPressing: () => isPressing(work),
    checkAtRest,
    leave: () => once('leave', '', leave),
    discard(job) {
      trials.get(job)?.abort()
      return once('discard', job, () => discard(job))
    },
  }
}

const isOver = ({ state }: TargetRecord): boolean => state === 'committed' || state === 'aborted'

const resultOf = ({ bytes, lost = 0 }: TargetRecord): StageResult => ({ bytes, lost })

const isUnfinished = (record: JobRecord): record is TargetRecord =>
  record.role === 'target' &&
  record.state !== 'committed' &&
  record.state !== 'aborted' &&
  (record.state !== 'undone' || (record.undo?.gateway ?? null) !== null)

const prepared = ({ order, hash, sourceKey }: VerifiedOrder): TargetRecord => ({
  v: 1,
  role: 'target',
  job: order.job,
  kind: order.kind,
  state: 'prepared',
  order: hash,
  source: order.source,
  snapshot: order.snapshot,
  ...(order.unfenced && { unfenced: order.unfenced }),
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
