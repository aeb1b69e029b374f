/**
 * The source's side of a move. Fenced means: the gateway is gone, its unit masked, the state directory renamed, and a
 * tombstone beside it says who goes on. Until FENCED is in the journal the node can be put back as it was; from then
 * on only the target's ABORT does that.
 */
import {
  OcmError,
  base64url,
  fromBase64url,
  fromUtf8,
  hex,
  makeStatement,
  sealGrant,
} from '@ocm/protocol'
import { readDurable, removeDurable, writeDurable } from '../store/durable.ts'
import { exists } from './disk.ts'
import type { Gateway } from '../installation.port.ts'
import type { SourceRecord } from './journal.ts'
import { type VerifiedOrder, readAbort } from './orders.ts'
import { move } from './renames.ts'
import { type Tombstone, tombstoneOf } from './tombstone.port.ts'
import { mountPoints, resolved } from './units.ts'
import { type Work, failure, report } from './work.ts'

const epochFile = (work: Work) => `${work.stateDir}/fence-epoch`

async function epochSeen(work: Work): Promise<number> {
  const bytes = await readDurable(epochFile(work))
  const epoch = bytes === undefined ? 0 : Number(fromUtf8(bytes))
  if (!Number.isSafeInteger(epoch)) throw new OcmError('malformed', { what: 'fence epoch' })
  return epoch
}

/**
 * @param known of the same job and order, when it was asked before.
 * @returns the FENCED statement. @throws OcmError, and then the node runs again as before
 */
export async function fence(
  work: Work,
  { order, hash, targetKey }: VerifiedOrder,
  known: SourceRecord | undefined,
): Promise<Uint8Array> {
  if (known?.fenced && known.state === 'fenced') return fromBase64url(known.fenced)
  if (known) await putBackFirst(work, known)
  if (!known && order.fenceEpoch <= (await epochSeen(work))) {
    throw new OcmError('order-invalid', { why: 'fence-epoch' })
  }
  const { job } = order
  const layout = await work.installation.layout()
  const stateDirectory = await resolved(layout.roots['state'] as string)
  if (await exists(tombstoneOf(layout.roots['state'] as string)))
    throw new OcmError('source-fenced')
  if ((await mountPoints()).has(stateDirectory)) {
    throw new OcmError('plan-blocked', { why: 'mount-point' })
  }
  const gateway = await work.installation.gateway()
  const ran = await gateway.isRunning()
  await writeDurable(epochFile(work), String(Math.max(order.fenceEpoch, await epochSeen(work))))
  let record = await work.journal.write<SourceRecord>({
    v: 1,
    role: 'source',
    job,
    state: 'stopping',
    order: hash,
    fenceEpoch: order.fenceEpoch,
    target: order.target,
    targetKey: base64url(targetKey),
    stateDirectory,
    kept: `${stateDirectory}.ocm-fenced-${order.fenceEpoch}`,
    gateway: { ran, remembered: await gateway.remember(), layout },
    fenced: null,
  })
  try {
    report(work, job, 'stopping')
    await gateway.stop()
    await gateway.mask()
    if (await gateway.isRunning()) await gateway.stop()
    const delta = await work.captureDelta(job, order.snapshot)
    await checkStill(gateway)
    report(work, job, 'fencing')
    const context = { job, target: order.target, snapshot: delta.snapshot }
    const grant = sealGrant(work.p, order.jobKey, context, {
      packs: delta.packKeys.map(([pack, key]) => [pack, key]),
      root: delta.root,
    })
    const tombstone: Tombstone = {
      v: 1,
      order: hash,
      fenceEpoch: order.fenceEpoch,
      successor: order.target,
      at: work.now(),
      kept: record.kept,
    }
    await writeDurable(tombstoneFor(record), JSON.stringify(tombstone))
    await move(record.stateDirectory, record.kept, strayOf(record))
    await checkStill(gateway)
    const body = {
      v: 1,
      order: hash,
      node: work.identity.id,
      fenceEpoch: order.fenceEpoch,
      snapshot: delta.snapshot,
      grant,
    }
    const fenced = makeStatement(work.p, 'fenced', body, work.identity.key)
    record = await work.journal.write<SourceRecord>({
      ...record,
      state: 'fenced',
      fenced: base64url(fenced),
    })
    return fenced
  } catch (error) {
    const why = failure(work, job, 'fencing', error)
    try {
      await putBack(work, record, 'putting-back')
    } catch (another) {
      // Journalled, so the next request or start of the agent tries again; why it failed at first matters more.
      failure(work, job, 'putting back', another)
    }
    throw why
  }
}

/**
 * Somebody may have started it by hand, or something that OCM knows nothing of keeps it alive: then its last changes
 * are not in the delta, and it would go on speaking.
 * @throws OcmError 'gateway-will-not-stop'
 */
async function checkStill(gateway: Gateway): Promise<void> {
  if (!(await gateway.isRunning())) return
  await gateway.stop()
  throw new OcmError('gateway-will-not-stop')
}

async function putBackFirst(work: Work, known: SourceRecord): Promise<void> {
  if (known.state === 'stopping' || known.state === 'putting-back') {
    await putBack(work, known, 'putting-back')
  } else if (known.state !== 'put-back') {
    throw new OcmError('order-invalid', { why: 'used' })
  }
}

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
    case 'stopping':
    case 'putting-back':
      return putBack(work, record, 'putting-back')
    case 'releasing':
      return putBack(work, record, 'releasing')
    case 'put-back':
    case 'released':
      return
  }
}

/** Goes on with what a crash has cut off, but for a FENCED that was decided: that one stands. */
export async function settleSource(work: Work, record: SourceRecord): Promise<void> {
  switch (record.state) {
    case 'stopping':
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

/** The tree first, then the tombstone, then what starts it: a crash in between leaves it fenced, and is gone on with. */
async function putBack(
  work: Work,
  from: SourceRecord,
  state: 'putting-back' | 'releasing',
): Promise<void> {
  const record = await work.journal.write<SourceRecord>({ ...from, state })
  if (await exists(record.kept)) {
    await move(record.kept, record.stateDirectory, strayOf(record))
  }
  await removeDurable(tombstoneFor(record))
  const { gateway: memory, job } = record
  if (memory) {
    const gateway = await work.installation.gateway(memory.remembered)
    await gateway.unmask()
    if (memory.ran && !(await gateway.isRunning())) {
      report(work, job, 'launching')
      try {
        await gateway.start(memory.layout)
      } catch (error) {
        // The node is whole again. That its gateway does not start is said, and must not keep the agent from running.
        failure(work, job, 'starting what ran before', error)
      }
    }
  }
  await work.journal.write<SourceRecord>({
    ...record,
    state: state === 'releasing' ? 'released' : 'put-back',
    gateway: null,
  })
}

/** Beside the directory by the name that OpenClaw knows it by, which may be a link. */
const tombstoneFor = ({ gateway, stateDirectory }: SourceRecord): string =>
  tombstoneOf(gateway?.layout.roots['state'] ?? stateDirectory)

const strayOf = ({ job }: SourceRecord) => `.ocm-stray-${job}`
