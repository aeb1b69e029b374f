/** The end of a fence: the target has said ABORT, or an operator that it is off; or FENCED never came about. */
import { OcmError, type TargetOff, fromBase64url, hex } from '@ocm/protocol'
import { removeDurable, writeDurable } from '../store/durable.ts'
import { exists } from './disk.ts'
import { noteEpoch } from './fence-epoch.ts'
import type { GatewayMemory, SourceRecord } from './journal.ts'
import { readAbort } from './orders.ts'
import { move } from './renames.ts'
import { fencedUnder, strayOf, toBeFenced, tombstoneBy, tombstoneFor } from './standing.ts'
import { type Work, failure, report } from './work.ts'

/** @throws OcmError 'signature-invalid', 'order-invalid'; 'not-found' when this node was never fenced under that job */
export async function release(
  work: Work,
  record: SourceRecord,
  request: { readonly order: Uint8Array; readonly abort: Uint8Array },
): Promise<void> {
  if (hex(work.p.sha256(request.order)) !== record.order) {
    throw new OcmError('order-invalid', { why: 'another-order' })
  }
  switch (record.state) {
    case 'fenced': {
      if (record.fenced === null) throw new OcmError('internal', { what: 'fenced' })
      const fenced = hex(work.p.sha256(fromBase64url(record.fenced)))
      const targetKey = fromBase64url(record.targetKey)
      readAbort(work.p, { ...record, fenced, targetKey }, request.abort)
      return putBack(work, record, 'releasing')
    }
    case 'superseded':
      throw new OcmError('order-invalid', { why: 'superseded' })
    case 'stopping': {
      if (record.unfenced !== true) return putBack(work, record, 'putting-back')
      // The target has spoken before this node said anything.
      const targetKey = fromBase64url(record.targetKey)
      readAbort(work.p, { ...record, fenced: '', targetKey }, request.abort)
      return putBack(work, record, 'releasing')
    }
    case 'putting-back':
      return putBack(work, record, 'putting-back')
    case 'releasing':
      return putBack(work, record, 'releasing')
    case 'put-back':
    case 'released':
      return
  }
}

/**
 * An operator attests that the target is off, under the very order and epoch of this fence.
 * @param by hash of the statement. @throws OcmError 'order-invalid'
 */
export async function letGo(
  work: Work,
  record: SourceRecord,
  attested: Pick<TargetOff, 'order' | 'target' | 'fenceEpoch'>,
  by: string,
): Promise<void> {
  const { order, target, fenceEpoch, state } = record
  const fits =
    order === attested.order && target === attested.target && fenceEpoch === attested.fenceEpoch
  if (!fits) throw new OcmError('order-invalid', { why: 'another-order' })
  switch (state) {
    case 'fenced':
    case 'releasing':
      return putBack(work, { ...record, letGoBy: by }, 'releasing')
    case 'stopping':
    case 'putting-back':
    case 'superseded':
      throw new OcmError('order-invalid', { why: state })
    case 'put-back':
    case 'released':
      return
  }
}

/** Goes on with what a crash has cut off, but for a FENCED that was decided: that one stands. */
export async function settleSource(work: Work, record: SourceRecord): Promise<void> {
  switch (record.state) {
    case 'stopping':
      return record.unfenced ? undefined : putBack(work, record, 'putting-back')
    case 'putting-back':
      return putBack(work, record, 'putting-back')
    case 'releasing':
      return putBack(work, record, 'releasing')
    case 'fenced':
    case 'put-back':
    case 'released':
    case 'superseded':
      return
  }
}

/**
 * The tree first, then the tombstone, then what starts it: a crash in between leaves it fenced, and is gone on with. What
 * another order holds stays as that one needs it.
 */
export async function putBack(
  work: Work,
  from: SourceRecord,
  state: 'putting-back' | 'releasing',
): Promise<void> {
  await noteEpoch(work.stateDir, from.fenceEpoch)
  const record = await work.journal.write<SourceRecord>({ ...from, state })
  const over = { state: state === 'releasing' ? 'released' : 'put-back', gateway: null } as const
  const other = await fencedUnder(work, record.job)
  if (other) {
    await writeDurable(tombstoneFor(other), JSON.stringify(tombstoneBy(work, other)))
    await work.journal.write<SourceRecord>({ ...record, ...over })
    return
  }
  if (await exists(record.kept)) {
    await move(record.kept, record.stateDirectory, strayOf(record))
  }
  await removeDurable(tombstoneFor(record))
  if (record.gateway && !(await toBeFenced(work, record.job))) {
    await runAgain(work, record, record.gateway)
  }
  await work.journal.write<SourceRecord>({ ...record, ...over })
}

async function runAgain(
  work: Work,
  { job }: SourceRecord,
  { ran, remembered, layout }: GatewayMemory,
): Promise<void> {
  try {
    const gateway = await work.installation.gateway(remembered)
    await gateway.unmask()
    if (!ran || (await gateway.isRunning())) return
    report(work, job, 'launching')
    await gateway.start(layout, 'as-before')
  } catch (error) {
    // The node is whole again. That its gateway does not start is said, and must not keep the agent from running.
    failure(work, job, 'starting what ran before', error)
  }
}
