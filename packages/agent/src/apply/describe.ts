/** What this node tells operators about itself before a plan, with a new nonce and a new job key for the order. */
import {
  type Description,
  type KeyPair,
  type Obstacle,
  OcmError,
  type TargetFacts,
  type TargetWish,
  type VaultRecord,
  makeStatement,
  openWish,
  sealFacts,
} from '@ocm/protocol'
import { exists } from './disk.ts'
import type { JobRecord, SourceRecord } from './journal.ts'
import { undoBegun, undoable } from './undo.ts'
import { checkRenamable, mountPoints, resolved } from './units.ts'
import type { Work } from './work.ts'

/** What this node has offered last: an order has to name it, and is the only one that ever does. */
export interface Offer {
  readonly nonce: Uint8Array
  readonly jobKey: KeyPair
  /** It has said that a trial here has a network of its own. */
  readonly isAlone: boolean
}

export async function describe(
  { p, identity, installation, journal }: Work,
  record: VaultRecord,
  asked?: { readonly wish: Uint8Array; readonly offer: Offer | undefined },
): Promise<{ readonly statement: Uint8Array; readonly offer: Offer }> {
  const here = await installation.facts({ ports: [], ...wishIn(p, identity.id, asked) })
  const isAlone = here.trial?.isolated === true
  const offer: Offer = { nonce: p.random(32), jobKey: p.x25519Pair(), isAlone }
  const about = { node: identity.id, nonce: offer.nonce, jobKey: offer.jobKey.public }
  const obstacles = [...(here.obstacles ?? []), ...(await stateObstacles(here))]
  const facts = sealFacts(p, record.sealing, about, {
    ...here,
    ...(obstacles.length > 0 ? { obstacles } : {}),
    ...(await standing(await journal.all())),
  })
  const description: Description = { v: 1, ...about, facts }
  return { statement: makeStatement(p, 'description', description, identity.key), offer }
}

const NOT_ASIDE: Readonly<Record<string, Obstacle>> = {
  'mount-point': 'state-mount-point',
  'not-writable': 'state-not-writable',
}

/** What a fence and a swap would find halfway. */
async function stateObstacles({ layout }: TargetFacts): Promise<readonly Obstacle[]> {
  const state = layout.roots['state'] as string
  if (!(await exists(state))) return []
  try {
    await checkRenamable(await resolved(state), await mountPoints())
    return []
  } catch (error) {
    const why = error instanceof OcmError ? NOT_ASIDE[String(error.facts['why'])] : undefined
    if (why === undefined) throw error
    return [why]
  }
}

/** A wish is sealed to the job key of the description before: it names places on this node. */
function wishIn(
  p: Work['p'],
  node: string,
  asked: { readonly wish: Uint8Array; readonly offer: Offer | undefined } | undefined,
): { readonly wish?: TargetWish } {
  if (asked === undefined) return {}
  // After a restart there is no such key any more, and whoever plans sees that nothing was answered.
  if (asked.offer === undefined) return {}
  return { wish: openWish(p, asked.offer.jobKey, { node, nonce: asked.offer.nonce }, asked.wish) }
}

/** What could be taken back here, and what this node is fenced under. */
async function standing(
  records: readonly JobRecord[],
): Promise<Pick<TargetFacts, 'lastApply' | 'fence'>> {
  const fences = records.filter(
    (one): one is SourceRecord => one.role === 'source' && one.state === 'fenced',
  )
  // Of several the newest: the one before it is told when that one is over.
  const [fenced] = fences.toSorted((a, b) => b.fenceEpoch - a.fenceEpoch)
  if (fenced) {
    const { job, order, fenceEpoch, target } = fenced
    return { fence: { job, order, fenceEpoch, target } }
  }
  try {
    const open = undoBegun(records) ?? (await undoable(records))
    const { job, order, kind, source, outcome } = open
    return { lastApply: { job, order, kind, source, at: outcome?.startedAt ?? 0 } }
  } catch (error) {
    // Why not is said to whoever orders an undo.
    if (error instanceof OcmError) return {}
    throw error
  }
}
