/** One try to make a snapshot: what is found, what is stored of it, and the header that makes it count. */
import { mkdir, rm } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { join } from 'node:path'
import {
  type ExtentRef,
  type JobId,
  MAX_PRINTS,
  type Manifest,
  type ManifestRoot,
  OcmError,
  type PackId,
  type Run,
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
} from '@ocm/protocol'
import type { Chain, ChainLink } from '../store/chain.ts'
import type { IndexFile, IndexedPack } from '../store/extent-index.ts'
import { ExtentTable } from '../store/extent-table.ts'
import type { KeptFile } from '../store/kept.ts'
import type { StatCacheFile } from '../store/stat-cache.ts'
import type { ContentSink } from './contents.ts'
import { Earlier } from './earlier.ts'
import { type Gathered, Gathering } from './gather.ts'
import { LiveBytes } from './live-bytes.ts'
import { metricsOf } from './metrics.ts'
import { pacer } from './pace.ts'
import { type PackedPack, Packing, isIndexed } from './packing.ts'
import { Pages, type PagesMade } from './pages.ts'
import type { CaptureParts } from './parts.ts'
import { type Starting, inThisThread, inThreads, threadsFor } from './reader.ts'
import { REF_WORDS, type Refs } from '../store/refs.ts'
import { cacheContentOf, indexOf, isAsBefore } from './remember.ts'
import { SHARES } from './same.ts'
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

/** What the node remembers between runs. */
export interface Files {
  readonly index: IndexFile
  readonly cache: StatCacheFile
  /** What examine wants to know again. */
  readonly examined: KeptFile
}

const DAY_MS = 86_400_000

export class CaptureRun {
  readonly #parts: CaptureParts
  readonly #chain: Chain
  readonly #wish: { readonly job: JobId; readonly trigger: Trigger }
  readonly #files: Files
  readonly #within: ReadonlySet<PackId> | undefined
  readonly #lost: ReadonlySet<PackId>
  readonly #startedAt: number
  readonly #run: Run
  readonly #uploads: Uploads
  readonly #pace: ReturnType<typeof pacer>
  readonly #packKeys = new Map<PackId, Uint8Array>()
  /**
   * What this run has stored, by the book's number of the pack. Two threads may have stored the same extent, and only one
   * of the places is referred to: which, is known at the end.
   */
  readonly #stored: { readonly number: number; readonly extents: ExtentTable }[] = []
  readonly #finished: PackedPack[] = []
  #earlier: Earlier | undefined
  #sink: ContentSink | undefined
  #newBytes = 0
  #storedBytes = 0

  /**
   * @param within nothing else may be referred to, when it is given.
   * @param lost the hub has turned out to lack these.
   */
  constructor(
    parts: CaptureParts,
    chain: Chain,
    wish: { readonly job: JobId; readonly trigger: Trigger },
    files: Files,
    within: ReadonlySet<PackId> | undefined,
    lost: ReadonlySet<PackId>,
  ) {
    this.#parts = parts
    this.#chain = chain
    this.#wish = wish
    this.#files = files
    this.#within = within
    this.#lost = lost
    this.#startedAt = parts.now()
    const { vault, epoch, sealing } = parts.record
    this.#run = startRun(parts.p, { vault, epoch, sealing, node: parts.node })
    this.#pace = pacer(parts.signal)
    this.#uploads = new Uploads(parts.hub, async (pack) => {
      if (isIndexed(pack.class)) await files.index.acknowledged(this.#indexed(pack), pack.extents)
    })
  }

  /** @returns which packs the hub lacks, when it refused the snapshot for that. */
  async run(): Promise<Delta | { readonly missing: readonly PackId[] }> {
    const parts = this.#parts
    const files = this.#files
    const staging = join(parts.stateDir, 'staging')
    await rm(staging, { recursive: true, force: true })
    await mkdir(staging, { recursive: true, mode: 0o700 })
    try {
      const cache = await files.cache.load()
      const { hub, now } = parts
      const of = { hub, index: files.index, cache, now, within: this.#within, lost: this.#lost }
      const earlier = await Earlier.open(of)
      this.#earlier = earlier
      const day = Math.floor(this.#startedAt / DAY_MS)
      const recall = await files.examined.load()
      const gathered = await new Gathering({
        parts,
        earlier,
        share: cache.day === day ? -1 : day % SHARES,
        pace: this.#pace,
        staging,
        recall,
        sink: () => this.#here(),
        reader: (bytes) => this.#readerFor(bytes),
        relieve: () => this.#relieve(),
      }).gather()
      await this.#finish(['secret', 'state', 'bulk'])

      hub.progress('manifest', 0, 0, 'items')
      const rest = restOf(gathered, this.#startedAt, this.#parts.fenceEpoch)
      const relieve = () => this.#relieve()
      const made = await new Pages(this.#here(), earlier, relieve).make(
        gathered.drafts,
        rest,
        (refs) => this.#resolve(refs),
      )
      await this.#finish(['tree'])
      return await this.#commit(gathered, rest, made, day, recall)
    } finally {
      await this.#uploads.abandoned()
      await rm(staging, { recursive: true, force: true })
    }
  }

  async #commit(
    gathered: Gathered,
    rest: Omit<Manifest, 'entries'>,
    made: PagesMade,
    day: number,
    recall: Uint8Array | undefined,
  ): Promise<Delta | { readonly missing: readonly PackId[] }> {
    const { p, hub, node, record, now, identity, agentVersion, continues } = this.#parts
    const { drafts, findings } = gathered
    hub.progress('committing', 0, 1, 'items')
    const live = new LiveBytes([...drafts.refs(), ...made.pages.map(({ refs }) => refs)])
    const used = live.byPack()
    const packs = [...used]
      .map(([number, liveBytes]) => ({ ...this.#opened.book.at(number), liveBytes, number }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const root = toCbor({
      v: 1,
      pages: made.pages.map(({ bytes, sha256, refs }) => ({
        bytes,
        sha256,
        extents: this.#resolve(refs),
      })),
      packs: packs.map(({ id, bytes, class: of, header }) => ({
        id: fromHex(id),
        bytes,
        class: of,
        header,
      })),
    } satisfies ManifestRoot)
    const newest = this.#chain.newest
    const place = {
      vault: record.vault,
      epoch: record.epoch,
      node,
      seq: (newest?.seq ?? 0) + 1,
      run: this.#run.id,
    }
    const { versions } = rest.layout
    const header: SnapshotHeader = {
      v: 1,
      ...place,
      prev: newest?.snapshot ?? null,
      trigger: this.#wish.trigger,
      startedAt: this.#startedAt,
      finishedAt: Math.max(now(), this.#startedAt),
      packs: packs.map(({ id, bytes, class: of, liveBytes }) => ({
        id,
        bytes,
        class: of,
        liveBytes,
      })),
      root: sealManifestRoot(p, record.sealing, place, root),
      metrics: metricsOf(drafts, rest, {
        newBytes: this.#newBytes,
        storedBytes: this.#storedBytes,
      }),
      versions: {
        agent: agentVersion,
        openclaw: versions.openclaw.slice(0, 32),
        schemas: versions.schemas,
      },
      ...(continues ? { continues } : {}),
      ...(findings.prints ? { fingerprints: findings.prints.slice(0, MAX_PRINTS) } : {}),
    }
    const statement = signSnapshot(p, header, identity.key)
    const link: ChainLink = {
      snapshot: snapshotIdOf(p, statement),
      seq: header.seq,
      job: this.#wish.job,
      packs: packs.map(({ id }) => id),
    }
    await this.#chain.send(link)
    // Until now the last packs had time to become durable.
    await this.#uploads.landed()
    const [{ snapshot, missing }, memory] = await Promise.all([
      hub.commit(this.#wish.job, statement),
      this.#memoryOf(gathered, made, live, packs, day),
    ])
    if (snapshot === null) return { missing }
    if (snapshot !== link.snapshot) throw new OcmError('snapshot-refused', { why: 'another id' })
    if (memory.cache) await this.#files.cache.replace(memory.cache)
    if (memory.index) await this.#files.index.replace(memory.index)
    if (findings.remember !== recall) await this.#files.examined.replace(findings.remember)
    await this.#chain.committed(link)
    hub.progress('finished', 1, 1, 'items')
    return {
      snapshot: link.snapshot,
      header: statement,
      packKeys: [...this.#packKeys].map(([id, key]) => [fromHex(id), key] as const),
      root,
    }
  }

  /** For the next run: what it may refer to and need not read. Made while the hub commits; undefined stays as it is. */
  async #memoryOf(
    { drafts, listings, comparison }: Gathered,
    made: PagesMade,
    live: LiveBytes,
    packs: readonly (IndexedPack & { readonly liveBytes: number; readonly number: number })[],
    day: number,
  ): Promise<{ readonly cache?: Uint8Array; readonly index?: Uint8Array }> {
    // First of all the commit is sent.
    await setImmediate()
    const { cache, index } = this.#files
    const { placements } = comparison
    const { known, isIndexLoaded } = this.#opened
    const of = { drafts, listings, made, day }
    return {
      ...(isAsBefore(of)
        ? {}
        : { cache: cache.encode(cacheContentOf({ ...of, packs, placements })) }),
      ...(isIndexLoaded
        ? { index: index.encode(indexOf({ known, stored: this.#stored, live, packs })) }
        : {}),
    }
  }

  get #opened(): Earlier {
    if (!this.#earlier) throw new TypeError('nothing is known yet')
    return this.#earlier
  }

  #readerFor(bytes: number): Starting {
    const threads = this.#parts.threads ?? threadsFor(bytes)
    const { now, identity } = this.#parts
    if (threads === 0) {
      const here = () => this.#here()
      return inThisThread(here, now, () => this.#relieve())
    }
    const send = async (pack: PackedPack) => {
      this.#take(pack)
      await this.#uploads.sendWhole(pack)
    }
    return inThreads({ run: this.#run, idKey: identity.idKey, threads, send }, () => {
      const { known, book } = this.#opened
      return { known, next: book.next }
    })
  }

  /** Where this thread stores contents. */
  #here(): ContentSink {
    if (this.#sink) return this.#sink
    const { p, identity } = this.#parts
    const { known, book } = this.#opened
    const keys = extentKeys(p, identity.idKey)
    const packing = new Packing({
      p,
      run: this.#run,
      keys,
      known,
      next: book.next,
      deliver: (pack) => {
        this.#take(pack)
        this.#finished.push(pack)
      },
    })
    this.#sink = { p, packing, keys }
    return this.#sink
  }

  #take(pack: PackedPack): void {
    this.#opened.book.finished(pack.number, this.#indexed(pack))
    this.#packKeys.set(pack.id, pack.key)
    this.#stored.push({ number: pack.number, extents: pack.extents })
    this.#newBytes += pack.plainBytes
    this.#storedBytes += pack.bytes.length
  }

  #indexed({ id, bytes, class: of, header, plainBytes }: PackedPack): IndexedPack {
    const storedAt = this.#parts.now()
    return { id, bytes: bytes.length, class: of, header, plainBytes, storedAt }
  }

  /** Sends what is finished, and lets other work go on. @throws OcmError 'job-cancelled' */
  async #relieve(): Promise<void> {
    for (let pack = this.#finished.shift(); pack; pack = this.#finished.shift()) {
      await this.#uploads.send(pack)
    }
    const pause = this.#pace()
    if (pause) await pause
  }

  async #finish(packClasses: Parameters<Packing['finish']>[0]): Promise<void> {
    this.#sink?.packing.finish(packClasses)
    await this.#relieve()
  }

  /** To be called when the packs referred to are finished. */
  #resolve(refs: Refs): ExtentRef[] {
    const found: ExtentRef[] = []
    for (let at = 0; at < refs.length; at += REF_WORDS) {
      const [segment, offset, length] = [refs[at + 1], refs[at + 2], refs[at + 3]]
      const id = this.#idOf(refs[at] as number)
      found.push([id, segment as number, offset as number, length as number])
    }
    return found
  }

  readonly #ids: Uint8Array[] = []
  #idOf(pack: number): Uint8Array {
    return (this.#ids[pack] ??= fromHex(this.#opened.book.at(pack).id))
  }
}

function restOf(gathered: Gathered, startedAt: number, fenceEpoch = 0): Omit<Manifest, 'entries'> {
  const { survey, findings, omissions, warnings } = gathered
  return {
    v: 1,
    layout: survey.origin ?? survey.layout,
    inventory: findings.inventory,
    config: findings.config,
    holdings: [...findings.holdings],
    ...(findings.views ? { views: findings.views } : {}),
    ...(findings.ties ? { ties: [...findings.ties] } : {}),
    ...(findings.unknowns && findings.unknowns.length > 0 ? { unknowns: findings.unknowns } : {}),
    ...(findings.blind ? { blind: findings.blind } : {}),
    ...(findings.plugins && findings.plugins.length > 0 ? { plugins: [...findings.plugins] } : {}),
    warnings: [...warnings],
    ...(fenceEpoch > 0 ? { fenceEpoch } : {}),
    startedAt,
    omissions,
    mentions: findings.mentions,
  }
}
