/**
 * Node to snapshot: survey ▶ databases ▶ trees ▶ packs ▶ pages ▶ header ▶ commit. Packs are sent while the capture
 * goes on; nothing counts before the commit is acknowledged. A run that is cut leaves a list of the packs that the hub
 * has acknowledged, and the next run refers to them.
 */
import {
  type JobId,
  OcmError,
  type PackId,
  type SnapshotId,
  type Trigger,
  utf8,
} from '@ocm/protocol'
import type { Chain } from '../store/chain.ts'
import { IndexFile } from '../store/extent-index.ts'
import { KeptFile } from '../store/kept.ts'
import { StatCacheFile } from '../store/stat-cache.ts'
import { collectSoon } from '../workers/collect.ts'
import type { CaptureParts } from './parts.ts'
import { CaptureRun, type Delta, type Files } from './run.ts'
import { openChain } from './standing.ts'

export type { Delta } from './run.ts'

/**
 * Makes a snapshot and answers when the hub has committed it. Asked again for the same job it answers as before.
 * @throws OcmError
 */
export async function capture(
  parts: CaptureParts,
  wish: { readonly job: JobId; readonly trigger: Exclude<Trigger, 'move'> },
): Promise<SnapshotId> {
  const chain = await openChain(parts)
  const made = chain.madeBy(wish.job)
  if (made) return made.snapshot
  try {
    return (await runUntilCommitted(parts, chain, wish, undefined)).snapshot
  } finally {
    collectSoon()
  }
}

/**
 * The last snapshot of a source that has stopped, and what a grant of it is made of.
 * @param wish.base a snapshot of this node that the target has the keys of already: nothing is referred to but its
 * packs and those of this run, whose keys are in the answer. With one this node no longer knows, everything is stored
 * anew. Asked again it makes another snapshot, because keys cannot be answered twice.
 */
export async function captureDelta(
  parts: CaptureParts,
  wish: { readonly job: JobId; readonly base: SnapshotId },
): Promise<Delta> {
  const chain = await openChain(parts)
  const base = new Set(chain.packsOf(wish.base))
  try {
    return await runUntilCommitted(parts, chain, { job: wish.job, trigger: 'move' }, base)
  } finally {
    collectSoon()
  }
}

/** Packs can be lost at the hub at any time; each try is told which, and stores what was in them again. */
const TRIES = 3

async function runUntilCommitted(
  parts: CaptureParts,
  chain: Chain,
  wish: { readonly job: JobId; readonly trigger: Trigger },
  within: ReadonlySet<PackId> | undefined,
): Promise<Delta> {
  const owner = ownerOf(parts)
  const files: Files = {
    index: new IndexFile(parts.p, parts.stateDir, owner),
    cache: new StatCacheFile(parts.p, parts.stateDir, owner),
    examined: new KeptFile(parts.p, parts.stateDir, 'examined', owner),
  }
  const lost = new Set<PackId>()
  for (let tries = 1; tries <= TRIES; tries++) {
    const made = await new CaptureRun(parts, chain, wish, files, within, lost).run()
    if ('snapshot' in made) return made
    for (const id of made.missing) lost.add(id)
    parts.hub.log('The hub lacks packs that this snapshot refers to; they are stored again.')
  }
  throw new OcmError('pack-missing', { count: lost.size })
}

function ownerOf({ p, node, record, identity }: CaptureParts) {
  const keys = p.sha256(utf8('ocm/1 index\0'), identity.idKey).slice(0, 8)
  return { vault: record.vault, epoch: record.epoch, node, keys }
}
