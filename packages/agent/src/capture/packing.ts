/**
 * Contents to extents, segments and packs, in one thread. Extents that are known are referred to; the others are filled
 * into the open segment of their class, segments into packs. Each pack has a salt and a key of its own, so threads share
 * no nonce. A pack that is full is read back and handed over.
 */
import { constants, zstdCompressSync } from 'node:zlib'
import {
  type ExtentKeys,
  type FinishedPack,
  type PackClass,
  PackWriter,
  type Primitives,
  type Run,
  SECRET_STEP_BYTES,
  SEGMENT_MAX_BYTES,
} from '@ocm/protocol'
import { ExtentTable } from '../store/extent-table.ts'
import { takeNumber } from './pack-book.ts'
import { type Sample, readBack } from './read-back.ts'
import type { RefList } from '../store/refs.ts'

/** A pack of this run, ready to be sent. */
export interface PackedPack extends FinishedPack {
  /** In the run's PackBook. */
  readonly number: number
  /** Of all extents in it. */
  readonly plainBytes: number
  /** What to put into the index when the hub holds it; empty for secrets and pages. Its pack number is 0. */
  readonly extents: ExtentTable
}

export interface PackingParts {
  readonly p: Primitives
  readonly run: Run
  readonly keys: ExtentKeys
  /** What may be referred to, under numbers of the PackBook. */
  readonly known: ExtentTable
  /** `PackBook.next` */
  readonly next: SharedArrayBuffer
  /** Called for each pack that is finished. */
  readonly deliver: (pack: PackedPack) => void
  /** Memory of a pack that was sent, to be used again. */
  readonly room?: () => Uint8Array | undefined
}

interface Filling {
  readonly writer: PackWriter
  readonly number: number
  readonly extents: ExtentTable
  readonly samples: Sample[]
  plainBytes: number
}

/** Compression must gain a fiftieth, or reading would be slowed down for nothing. */
const WORTH = 0.98
/** Besides a pack's first segment, one in so many is read back. */
const SAMPLE_ONE_IN = 8

/** Level 3 takes nearly half as long again as this, and makes what OpenClaw keeps two in a hundred smaller. */
const params = { [constants.ZSTD_c_compressionLevel]: 2 }

/** Into one buffer of its own: by default it is put together from a hundred small ones, which stay until they are collected. */
const compress = (plain: Uint8Array): Uint8Array<ArrayBuffer> =>
  zstdCompressSync(plain, { chunkSize: plain.length + ZSTD_MORE_BYTES, params })

/** What does not compress becomes longer by less than this for each segment. */
const ZSTD_MORE_BYTES = 8 * 1024

/** Secrets are not in the index (docs/security.md); pages are known by their hashes elsewhere. */
export const isIndexed = (packClass: PackClass): boolean =>
  packClass === 'state' || packClass === 'bulk'

export class Packing {
  readonly #parts: PackingParts
  readonly #next: Int32Array<SharedArrayBuffer>
  /** What this thread has stored. */
  readonly #stored = new ExtentTable()
  readonly #filling = new Map<PackClass, Filling>()
  readonly #segments = new Map<PackClass, { readonly bytes: Uint8Array; length: number }>()

  constructor(parts: PackingParts) {
    this.#parts = parts
    this.#next = new Int32Array(parts.next)
  }

  /**
   * @param extent 1 byte to EXTENT_MAX_BYTES; copied if it is new.
   * @param to told where it is.
   */
  add(
    to: RefList,
    packClass: PackClass,
    extent: Uint8Array,
    sha256 = this.#parts.p.sha256(extent),
  ): void {
    const { keys, known } = this.#parts
    const id = isIndexed(packClass) ? keys.idOf(packClass, sha256) : undefined
    const there = id && (known.find(id) ?? this.#stored.find(id))
    if (there?.length === extent.length) {
      to.add(there.pack, there.segment, there.offset, there.length)
    } else this.#fill(to, packClass, extent, id)
  }

  #fill(to: RefList, packClass: PackClass, extent: Uint8Array, id: Uint8Array | undefined): void {
    const step = packClass === 'secret' ? SECRET_STEP_BYTES : 1
    const taken = Math.ceil(extent.length / step) * step
    let segment = this.#segments.get(packClass)
    if (!segment) {
      segment = { bytes: new Uint8Array(SEGMENT_MAX_BYTES), length: 0 }
      this.#segments.set(packClass, segment)
    }
    if (segment.length + taken > SEGMENT_MAX_BYTES) this.#sealSegment(packClass)
    const filling = this.#fillingOf(packClass)
    const offset = segment.length
    segment.bytes.set(extent, offset)
    segment.bytes.fill(0, offset + extent.length, offset + taken)
    segment.length += taken
    filling.plainBytes += extent.length
    const place = { segment: filling.writer.segments, offset, length: extent.length }
    if (id) {
      filling.extents.add(id, { pack: 0, ...place })
      this.#stored.add(id, { pack: filling.number, ...place })
    }
    to.add(filling.number, place.segment, place.offset, place.length)
  }

  #fillingOf(packClass: PackClass): Filling {
    const there = this.#filling.get(packClass)
    if (there) return there
    const { p, run, room } = this.#parts
    const filling: Filling = {
      writer: new PackWriter(p, run, packClass, room?.()),
      number: takeNumber(this.#next),
      extents: new ExtentTable(),
      samples: [],
      plainBytes: 0,
    }
    this.#filling.set(packClass, filling)
    return filling
  }

  #sealSegment(packClass: PackClass): void {
    const segment = this.#segments.get(packClass)
    const filling = this.#filling.get(packClass)
    if (!segment || !filling || segment.length === 0) return
    const plain = segment.bytes.subarray(0, segment.length)
    const number = filling.writer.segments
    const { p } = this.#parts
    if (number === 0 || (p.random(1)[0] as number) % SAMPLE_ONE_IN === 0) {
      filling.samples.push({ segment: number, sha256: p.sha256(plain) })
    }
    // What compresses well would show by its length; and contents that others chose must not lie next to secrets.
    const packed = packClass === 'secret' ? undefined : compress(plain)
    const zstd = packed !== undefined && packed.length < plain.length * WORTH
    filling.writer.add({ stored: zstd ? packed : plain, plainBytes: plain.length, zstd })
    // A small one lies in memory that Node shares among buffers and does not let go.
    if (packed && packed.buffer.byteLength > Buffer.poolSize) packed.buffer.transfer(0)
    segment.length = 0
    if (filling.writer.isFull) this.#finishPack(packClass, filling)
  }

  #finishPack(packClass: PackClass, filling: Filling): void {
    const { number, plainBytes, extents } = filling
    const pack = filling.writer.finish()
    this.#filling.delete(packClass)
    readBack(this.#parts.p, pack, filling.samples)
    this.#parts.deliver({ ...pack, number, plainBytes, extents })
  }

  /** Closes the packs of these classes, full or not. */
  finish(packClasses: readonly PackClass[]): void {
    for (const packClass of packClasses) {
      this.#sealSegment(packClass)
      const filling = this.#filling.get(packClass)
      if (filling) this.#finishPack(packClass, filling)
      this.#segments.delete(packClass)
    }
  }
}
