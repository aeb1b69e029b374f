/**
 * The source's side of a move. Fenced means: the gateway is gone, its unit masked, the state directory renamed, and a
 * tombstone beside it says who goes on. Until FENCED is in the journal the node can be put back as it was; from then
 * on only the target's ABORT does that.
 */
import {
  OcmError,
  type Order,
  base64url,
  fromBase64url,
  makeStatement,
  sealGrant,
} from '@ocm/protocol'
import { writeDurable } from '../store/durable.ts'
import { exists } from './disk.ts'
import { epochSeen, noteEpoch } from './fence-epoch.ts'
import type { Gateway } from '../installation.port.ts'
import type { SourceRecord } from './journal.ts'
import type { VerifiedOrder } from './orders.ts'
import { putBack } from './release.ts'
import { move } from './renames.ts'
import { fencedUnder, strayOf, toBeFenced, tombstoneBy, tombstoneFor } from './standing.ts'
import { tombstoneOf } from './tombstone.port.ts'
import { mountPoints, resolved } from './units.ts'
import { type Work, failure, passes, report } from './work.ts'

/**
 * @param known of the same job and order, when it was asked before.
 * @returns the FENCED statement. @throws OcmError, and then the node runs again as before
 */
export async function fence(
  work: Work,
  { order, hash, targetKey }: VerifiedOrder,
  known: SourceRecord | undefined,
): Promise<Uint8Array> {
  // Its record is on the disk before its number is.
  if (known) await noteEpoch(work.stateDir, known.fenceEpoch)
  if (known?.fenced && known.state === 'fenced') return fromBase64url(known.fenced)
  const { job } = order
  const standing = order.unfenced === true ? await fencedUnder(work, job) : undefined
  if (known?.unfenced === true && known.state === 'stopping') {
    return standing ? fenceToo(work, known, order, standing) : fenceAlone(work, known, order)
  }
  if (known) await putBackFirst(work, known)
  if (!known && order.fenceEpoch <= (await epochSeen(work.stateDir))) {
    throw new OcmError('order-invalid', { why: 'fence-epoch' })
  }
  const begun = {
    v: 1,
    role: 'source',
    job,
    state: 'stopping',
    order: hash,
    fenceEpoch: order.fenceEpoch,
    target: order.target,
    targetKey: base64url(targetKey),
    ...(order.unfenced && { unfenced: order.unfenced }),
    fenced: null,
  } as const
  if (standing) {
    const fenced = await fenceToo(work, { ...standing, ...begun }, order, standing)
    await noteEpoch(work.stateDir, order.fenceEpoch)
    return fenced
  }
  const layout = await work.installation.layout()
  const stateDirectory = await resolved(layout.roots['state'] as string)
  if (await exists(tombstoneOf(layout.roots['state'] as string)))
    throw new OcmError('source-fenced')
  if ((await mountPoints()).has(stateDirectory)) {
    throw new OcmError('plan-blocked', { why: 'mount-point' })
  }
  const gateway = await work.installation.gateway()
  const obstacle = await gateway.obstacle?.()
  // Of one that is attested to be off nothing may be left undone for it.
  if (obstacle && !order.unfenced) throw new OcmError('plan-blocked', { why: obstacle })
  const ran = await gateway.isRunning()
  const held = await toBeFenced(work, job)
  const record = await work.journal.write<SourceRecord>({
    ...begun,
    stateDirectory,
    // Epochs come again on a node that was joined anew, and then an older tree may lie under that number.
    kept: `${stateDirectory}.ocm-fenced-${order.fenceEpoch}-${job}`,
    // One that is held still for another order ran before that.
    gateway: held?.gateway ?? { ran, remembered: await gateway.remember(), layout },
  })
  // Not before there is a record: cut off in between, this very order would be an old one when it is asked for again.
  await noteEpoch(work.stateDir, order.fenceEpoch)
  if (order.unfenced) return fenceAlone(work, record, order)
  try {
    await holdStill(work, record, gateway)
    const last = await captureLast(work, order)
    return await close(work, record, gateway, last)
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

async function holdStill(work: Work, { job }: SourceRecord, gateway: Gateway): Promise<void> {
  report(work, job, 'stopping')
  await gateway.stop()
  await gateway.mask()
  // A service manager may have started it between the two.
  if (await gateway.isRunning()) await gateway.stop()
}

interface Last {
  readonly snapshot: string
  readonly grant: Uint8Array
}

async function captureLast(work: Work, order: Order): Promise<Last> {
  const { job, target } = order
  const { snapshot, packKeys, root } = await work.captureDelta(job, order.snapshot)
  const grant = sealGrant(
    work.p,
    order.jobKey,
    { job, target, snapshot },
    { packs: packKeys.map(([pack, key]) => [pack, key]), root },
  )
  return { snapshot, grant }
}

/** From a gateway that stands still to a node that is fenced. */
async function close(
  work: Work,
  record: SourceRecord,
  gateway: Gateway,
  { snapshot, grant }: Last,
): Promise<Uint8Array> {
  const { job, order, fenceEpoch, kept } = record
  await checkStill(gateway)
  report(work, job, 'fencing')
  await writeDurable(tombstoneFor(record), JSON.stringify(tombstoneBy(work, record)))
  const isAway = record.unfenced === true && (await exists(kept))
  if (!isAway) await move(record.stateDirectory, kept, strayOf(record))
  await checkStill(gateway)
  const body = { v: 1, order, node: work.identity.id, fenceEpoch, snapshot, grant }
  const fenced = makeStatement(work.p, 'fenced', body, work.identity.key)
  await work.journal.write<SourceRecord>({
    ...record,
    state: 'fenced',
    fenced: base64url(fenced),
    fencedAt: work.now(),
  })
  return fenced
}

/**
 * The target speaks already, so this node does not run again whatever fails; the hub asks again. What cannot be captured
 * stays in the directory that is put aside.
 */
async function fenceAlone(work: Work, record: SourceRecord, order: Order): Promise<Uint8Array> {
  const { job } = record
  const gateway = await work.installation.gateway(record.gateway?.remembered)
  try {
    await holdStill(work, record, gateway)
    return await close(work, record, gateway, await lastOrBase(work, record, order))
  } catch (error) {
    throw failure(work, job, 'fencing', error)
  }
}

/**
 * It is fenced already, and nothing of it runs: from now on it waits for the ABORT of this target too, because both may
 * speak in its place.
 */
async function fenceToo(
  work: Work,
  record: SourceRecord,
  order: Order,
  { stateDirectory, kept, gateway }: SourceRecord,
): Promise<Uint8Array> {
  const body = {
    v: 1,
    order: record.order,
    node: work.identity.id,
    fenceEpoch: record.fenceEpoch,
    snapshot: order.snapshot,
    grant: new Uint8Array(0),
  }
  const fenced = makeStatement(work.p, 'fenced', body, work.identity.key)
  const shared = { stateDirectory, kept, gateway, state: 'fenced' as const, fencedAt: work.now() }
  await work.journal.write<SourceRecord>({ ...record, ...shared, fenced: base64url(fenced) })
  return fenced
}

async function lastOrBase(work: Work, record: SourceRecord, order: Order): Promise<Last> {
  const base = { snapshot: order.snapshot, grant: new Uint8Array(0) }
  // Cut off behind the capture, whose keys are gone.
  if (await exists(record.kept)) return base
  try {
    return await captureLast(work, order)
  } catch (error) {
    const known = failure(work, record.job, 'capturing the last changes', error)
    if (passes(known)) throw known
    work.hub.log(record.job, `The last changes could not be captured; they lie in ${record.kept}.`)
    return base
  }
}

/** After a restart of the agent, until the hub asks for the fence again. */
export async function keepStill(work: Work, record: SourceRecord): Promise<void> {
  await noteEpoch(work.stateDir, record.fenceEpoch)
  await holdStill(work, record, await work.installation.gateway(record.gateway?.remembered))
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
