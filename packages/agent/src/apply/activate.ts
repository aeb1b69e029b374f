/**
 * Puts a staged tree in place of the live one and runs it, or puts everything back. Each step is journalled before the
 * next is taken: what a crash leaves is gone on with from the state that the journal has.
 */
import { OcmError, base64url, fromBase64url, openGrant } from '@ocm/protocol'
import type { Gateway } from '../installation.port.ts'
import type { ActivateRequest } from './asked.ts'
import { compareInventories } from './compare.ts'
import { noteTakenOver, setTakenOver, takenOver } from './continues.ts'
import { exists } from './disk.ts'
import { newestApply, restoreFence, supersedeFence } from './leftovers.ts'
import type { TargetRecord } from './journal.ts'
import { readFenced, readNamedSnapshot } from './orders.ts'
import { swapBack, swapForward } from './renames.ts'
import { mergeStaged } from './stage-graft.ts'
import { stageFinal } from './stage.ts'
import { planSwap } from './swap.ts'
import { tombstoneOf } from './tombstone.port.ts'
import { type Held, type Work, abort, failure, makeSpeak, passes, report } from './work.ts'

const READY_MS = 240_000

/** @returns a record with an outcome. @throws OcmError only where nothing has been decided, to be asked again. */
export async function activate(
  work: Work,
  held: Held | undefined,
  record: TargetRecord,
  request: ActivateRequest,
): Promise<TargetRecord> {
  if (record.outcome !== null) return record
  switch (record.state) {
    case 'prepared':
      throw new OcmError('order-invalid', { why: 'not-staged' })
    case 'staged': {
      if (record.mustBeTried && record.trial?.outcome?.ready !== true) {
        work.hub.log(record.job, 'It was to be tried before it is activated, and was not.')
        return abort(work, record, 'trial-failed')
      }
      // Of a move whose source is attested to be off there may be no last delta.
      const isAlone = record.unfenced === true && request.fenced.length === 0
      const ready =
        record.kind === 'move' && !isAlone ? await takeDelta(work, held, record, request) : record
      return ready.outcome === null ? swap(work, ready) : ready
    }
    case 'stopping':
    case 'swapping':
    case 'swapped':
    case 'spoke':
    case 'rolling-back':
    case 'committed':
    case 'aborted':
    case 'undoing':
    case 'redoing':
    case 'undone':
      return goOn(work, record)
  }
}

/** From whatever state a crash, or a failure that passed, has left. */
export async function goOn(work: Work, record: TargetRecord): Promise<TargetRecord> {
  switch (record.state) {
    case 'prepared':
      return abort(work, record, 'job-cut-off')
    case 'stopping':
      return rollBack(work, record, 'job-cut-off')
    case 'swapping':
      return finish(work, await settle(work, record))
    case 'swapped':
    case 'spoke':
      return finish(work, record)
    case 'rolling-back':
      return rollBack(work, record, record.code)
    case 'staged':
    case 'committed':
    case 'aborted':
    // Whoever undoes goes on with it.
    case 'undoing':
    case 'redoing':
    case 'undone':
      return record
  }
}

/** Carries out what is left of the renames, so that the live tree is wholly new, or wholly old again. */
export async function settle(work: Work, record: TargetRecord): Promise<TargetRecord> {
  if (record.state === 'rolling-back') {
    await putOldBack(work, record)
    return record
  }
  if (record.state !== 'swapping') return record
  try {
    await swapForward(record.renames, strayOf(record))
  } catch (error) {
    const { code } = failure(work, record.job, 'swapping', error)
    const back = await work.journal.write<TargetRecord>({ ...record, state: 'rolling-back', code })
    await putOldBack(work, back)
    return back
  }
  return work.journal.write<TargetRecord>({ ...record, state: 'swapped' })
}

export const strayOf = ({ job }: TargetRecord) => `.ocm-stray-${job}`

/** Nothing runs on what is renamed away. */
async function putOldBack(work: Work, record: TargetRecord): Promise<Gateway> {
  const gateway = await work.installation.gateway(record.gateway?.remembered)
  if (record.renames.length > 0) {
    await gateway.stop()
    await gateway.mask()
    await swapBack(record.renames, strayOf(record))
    // What was started meanwhile runs on what was applied, and would speak beside the source.
    if (await gateway.isRunning()) await gateway.stop()
  }
  return gateway
}

const verifyFenced = (work: Work, record: TargetRecord, fenced: Uint8Array) =>
  readFenced(work.p, { ...record, sourceKey: fromBase64url(record.sourceKey) }, fenced)

/** Once FENCED has been verified the source waits for SPEAK or ABORT, so nothing but a lost link is thrown any more. */
async function takeDelta(
  work: Work,
  held: Held | undefined,
  record: TargetRecord,
  { fenced: statement, header }: ActivateRequest,
): Promise<TargetRecord> {
  const { job } = record
  const { fenced, hash } = verifyFenced(work, record, statement)
  const bound = await work.journal.write<TargetRecord>({
    ...record,
    fenced: hash,
    snapshot: fenced.snapshot,
  })
  if (!held) return abort(work, bound, 'job-cut-off')
  try {
    const key = fromBase64url(record.sourceKey)
    readNamedSnapshot(work.p, { node: record.source, key, snapshot: fenced.snapshot }, header)
    const context = { job, target: work.identity.id, snapshot: fenced.snapshot }
    return await stageFinal(
      work,
      held,
      bound,
      openGrant(work.p, held.jobKey, context, fenced.grant),
    )
  } catch (error) {
    const known = failure(work, job, 'delta', error)
    if (passes(known)) throw known
    const now = (await work.journal.target(job)) ?? bound
    return abort(work, now, known.code)
  }
}

async function swap(work: Work, staged: TargetRecord): Promise<TargetRecord> {
  const { job } = staged
  const { installation, journal } = work
  const was = await installation.layout()
  const gateway = await installation.gateway()
  const ran = await gateway.isRunning()
  const remembered = await gateway.remember()
  const memory = { ran, remembered, layout: was }
  const continued = await takenOver(work.stateDir)
  let record = await journal.write<TargetRecord>({
    ...staged,
    state: 'stopping',
    gateway: memory,
    before: { ran, layout: was, continued, ...(gateway.isNew && { newUnit: remembered }) },
  })
  try {
    report(work, job, 'stopping')
    await gateway.stop()
    await gateway.mask()
    // A service manager may have started it between the two.
    if (await gateway.isRunning()) await gateway.stop()
    if (record.graft) record = await mergeStaged(work, record)
    const renames = await planSwap(record, was, installation)
    report(work, job, 'swapping')
    record = await journal.write<TargetRecord>({ ...record, state: 'swapping', renames })
    record = await settle(work, record)
  } catch (error) {
    return rollBack(work, record, failure(work, job, 'swapping', error).code)
  }
  return record.state === 'swapped' ? finish(work, record) : rollBack(work, record, record.code)
}

/** From the new tree in place to a gateway that runs on it. */
async function finish(work: Work, swapped: TargetRecord): Promise<TargetRecord> {
  let record = swapped
  if (record.state === 'rolling-back') return rollBack(work, record, record.code)
  const { job, layout } = record
  if (layout === null) throw new OcmError('internal', { what: 'layout' })
  let inventoryEqual: boolean | null
  try {
    report(work, job, 'checking')
    await checkByReading(work, record)
    if (record.kind === 'move' && record.speak === null) {
      report(work, job, 'speaking')
      const speak = base64url(makeSpeak(work, record))
      record = await work.journal.write<TargetRecord>({ ...record, state: 'spoke', speak })
    }
    report(work, job, 'launching')
    const gateway = await work.installation.gateway(record.gateway?.remembered)
    await gateway.unmask()
    // A node that keeps its own keeps it to itself whether it runs.
    const isWanted = record.graft === undefined || record.gateway?.ran !== false
    if (isWanted && !(await gateway.isRunning())) await gateway.start(layout)
    if (isWanted && !(await gateway.waitReady(layout, work.readyTimeoutMs ?? READY_MS))) {
      work.hub.log(job, `the gateway said: ${await gateway.lastWords()}`)
      throw new OcmError('openclaw-unhealthy', { step: 'launching' })
    }
    report(work, job, 'comparing')
    inventoryEqual = await compared(work, record)
  } catch (error) {
    return rollBack(work, record, failure(work, job, 'launching', error).code)
  }
  const outcome = {
    outcome: record.speak ?? base64url(makeSpeak(work, record)),
    spoke: true,
    code: '',
    inventoryEqual,
    startedAt: work.now(),
  }
  // Before it counts as done: afterwards nobody would come back to it.
  await supersedeFence(work, record)
  await noteTakenOver(work.stateDir, record)
  const applied = 1 + (newestApply(await work.journal.all())?.applied ?? 0)
  record = await work.journal.write<TargetRecord>({
    ...record,
    state: 'committed',
    applied,
    gateway: null,
    inventory: null,
    outcome,
  })
  report(work, job, 'finished', 1)
  return record
}

/** Before anything runs: what was captured is there. @throws OcmError 'apply-failed' */
async function checkByReading(work: Work, record: TargetRecord): Promise<void> {
  const { layout, inventory, kind, job } = record
  if (inventory === null || layout === null || record.state === 'spoke') return
  const now = await work.installation.inventory(layout)
  if (now === null) return
  const { missing } = compareInventories(inventory, now, kind)
  if (missing.length === 0) return
  work.hub.log(job, `missing: ${missing.join('; ')}`)
  throw new OcmError('apply-failed', { step: 'checking', why: 'inventory', count: missing.length })
}

async function compared(work: Work, record: TargetRecord): Promise<boolean | null> {
  const { layout, inventory, kind, job } = record
  const now = layout && (await work.installation.inventory(layout))
  if (!inventory || !now) return null
  const { equal, lost } = compareInventories(inventory, now, kind)
  if (lost.length > 0) work.hub.log(job, `missing: ${lost.join('; ')}`)
  // Which credentials come with a part is not known before.
  return record.graft ? lost.length === 0 : equal && record.bare === undefined
}

/** To the exact old tree, with its gateway running if it ran. @throws OcmError when even that fails; to be tried again */
async function rollBack(work: Work, from: TargetRecord, code: string): Promise<TargetRecord> {
  const { job } = from
  report(work, job, 'rolling-back')
  const record =
    from.state === 'rolling-back'
      ? from
      : await work.journal.write<TargetRecord>({ ...from, state: 'rolling-back', code })
  const gateway = await putOldBack(work, record)
  if (record.gateway) await runAsBefore(work, record.gateway, gateway, job, 'as-before')
  // Cut off between the end of a launch and its record: what it had ended goes on. Last, because it may want for space.
  await restoreFence(work, record)
  if (record.before) await setTakenOver(work.stateDir, record.before.continued)
  return abort(work, record, code)
}

/** A node that was fenced stays fenced. That the old gateway does not start is said, and does not undo the way back. */
export async function runAsBefore(
  work: Work,
  { ran, layout }: NonNullable<TargetRecord['gateway']>,
  gateway: Gateway,
  job: string,
  how?: 'as-before',
): Promise<void> {
  if (await exists(tombstoneOf(layout.roots['state'] as string))) return
  try {
    await gateway.unmask()
    if (ran && !(await gateway.isRunning())) await gateway.start(layout, how)
  } catch (error) {
    failure(work, job, 'starting what ran before', error)
  }
}
