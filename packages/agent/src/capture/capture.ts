/**
 * Node to snapshot: survey ▶ databases ▶ trees ▶ packs ▶ pages ▶ header ▶ commit. Packs are sent while the capture
 * goes on; nothing counts before the commit is acknowledged. A run that is cut leaves a list of the packs that the hub
 * has acknowledged, and the next run refers to them.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type JobId,
  type ManifestRoot,
  OcmError,
  type PackId,
  type SnapshotHeader,
  type SnapshotId,
  type Trigger,
  extentKeys,
  fromHex,
  sealManifestRoot,
  signSnapshot,
  snapshotIdOf,
  startRun,
  toCbor,
  utf8,
} from '@ocm/protocol'
import type { Chain, ChainLink } from '../store/chain.ts'
import { type ExtentIndex, IndexFile, isDue, keepPacks } from '../store/extent-index.ts'
import { Gathering } from './gather.ts'
import { metricsOf } from './metrics.ts'
import { pacer } from './pace.ts'
import { Packing } from './packing.ts'
import type { CaptureParts } from './parts.ts'
import { openChain } from './standing.ts'
import { Uploads } from './uploads.ts'

/** What a run leaves behind for whoever has to hand it on. The keys are in memory only. */
export interface Delta {
  readonly snapshot: SnapshotId
  /** The header's statement. */
  readonly header: Uint8Array
  /** Keys of the packs that this run wrote: pack id and key, 32 bytes each. */
  readonly packKeys: readonly (readonly [pack: Uint8Array, key: Uint8Array])[]
  /** The CBOR of its ManifestRoot. */
  readonly root: Uint8Array
}

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
  return (await runUntilCommitted(parts, chain, wish, undefined)).snapshot
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
  return runUntilCommitted(parts, chain, { job: wish.job, trigger: 'move' }, base)
}

/** Packs can be lost at the hub at any time; each try finds out which, and stores what was in them again. */
const TRIES = 3

async function runUntilCommitted(
  parts: CaptureParts,
  chain: Chain,
  wish: { readonly job: JobId; readonly trigger: Trigger },
  within: ReadonlySet<PackId> | undefined,
): Promise<Delta> {
  const index = new IndexFile(parts.p, parts.stateDir, ownerOf(parts))
  for (let tries = 1; ; tries++) {
    try {
      return await run(parts, chain, wish, index, await referable(parts, index, within))
    } catch (error) {
      const isLost = error instanceof OcmError && error.code === 'pack-missing'
      if (!isLost || tries === TRIES) throw error
      parts.hub.log('The hub lacks packs that this snapshot refers to; they are stored again.')
    }
  }
}

function ownerOf({ p, node, record, identity }: CaptureParts) {
  const keys = p.sha256(utf8('ocm/1 index\0'), identity.idKey).slice(0, 8)
  return { vault: record.vault, epoch: record.epoch, node, keys }
}

const IDS_AT_ONCE = 5000

async function referable(
  { hub, now }: CaptureParts,
  file: IndexFile,
  within: ReadonlySet<PackId> | undefined,
): Promise<ExtentIndex> {
  const fresh = keepPacks(
    await file.load(),
    (pack) => !isDue(pack, now()) && (within?.has(pack.id) ?? true),
  )
  const ids = fresh.packs.map(({ id }) => id)
  const missing = new Set<PackId>()
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    for (const id of await hub.missing(ids.slice(at, at + IDS_AT_ONCE))) missing.add(id)
  }
  return missing.size === 0 ? fresh : keepPacks(fresh, ({ id }) => !missing.has(id))
}

async function run(
  parts: CaptureParts,
  chain: Chain,
  wish: { readonly job: JobId; readonly trigger: Trigger },
  file: IndexFile,
  index: ExtentIndex,
): Promise<Delta> {
  const { p, hub, node, record, now } = parts
  const startedAt = now()
  const keys = extentKeys(p, parts.identity.idKey)
  const sealed = startRun(p, {
    vault: record.vault,
    epoch: record.epoch,
    sealing: record.sealing,
    node,
  })
  const packing = new Packing({ p, run: sealed, keys, index, now })
  const uploads = new Uploads(p, hub, async ({ id, bytes, class: of, header, extents }) => {
    if (of === 'secret') return
    const pack = { id, bytes: bytes.length, class: of, header, storedAt: now() }
    await file.acknowledged(pack, extents)
  })
  const pace = pacer(parts.signal)
  const sink = {
    p,
    packing,
    keys,
    async relieve() {
      for (let pack = packing.take(); pack; pack = packing.take()) {
        await pace()
        await uploads.send(pack)
      }
      await pace()
    },
  }

  const staging = join(parts.stateDir, 'staging')
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true, mode: 0o700 })
  try {
    const gathering = new Gathering(parts, sink, pace, staging, startedAt)
    const { manifest, pages } = await gathering.gather()
    await uploads.landed()

    hub.progress('committing', 0, 1, 'items')
    const packs = packing.packs()
    const root = toCbor({
      v: 1,
      pages: pages.map(({ size, sha256, refs }) => ({
        bytes: size,
        sha256,
        extents: packing.resolve(refs),
      })),
      packs: packs.map(({ id, bytes, class: of, header }) => ({
        id: fromHex(id),
        bytes,
        class: of,
        header,
      })),
    } satisfies ManifestRoot)
    const place = {
      vault: record.vault,
      epoch: record.epoch,
      node,
      seq: (chain.newest?.seq ?? 0) + 1,
      run: sealed.id,
    }
    const { versions } = manifest.layout
    const header: SnapshotHeader = {
      v: 1,
      ...place,
      prev: chain.newest?.snapshot ?? null,
      trigger: wish.trigger,
      startedAt,
      finishedAt: Math.max(now(), startedAt),
      packs: packs.map(({ id, bytes, class: of, liveBytes }) => ({
        id,
        bytes,
        class: of,
        liveBytes,
      })),
      root: sealManifestRoot(p, record.sealing, place, root),
      metrics: metricsOf(manifest, packing.written),
      versions: {
        agent: parts.agentVersion,
        openclaw: versions.openclaw.slice(0, 32),
        schemas: versions.schemas,
      },
      ...(parts.continues ? { continues: parts.continues } : {}),
    }
    const statement = signSnapshot(p, header, parts.identity.key)
    const link: ChainLink = {
      snapshot: snapshotIdOf(p, statement),
      seq: header.seq,
      job: wish.job,
      packs: packs.map(({ id }) => id),
    }
    await chain.send(link)
    const committed = await hub.commit(wish.job, statement)
    if (committed !== link.snapshot) throw new OcmError('snapshot-refused', { why: 'another id' })
    await file.replace(packing.indexAfter())
    await chain.committed(link)
    hub.progress('finished', 1, 1, 'items')
    return {
      snapshot: link.snapshot,
      header: statement,
      packKeys: [...packing.packKeys].map(([id, key]) => [fromHex(id), key] as const),
      root,
    }
  } finally {
    await uploads.abandoned()
    await rm(staging, { recursive: true, force: true })
  }
}
