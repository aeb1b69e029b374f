/**
 * Contents to extents, segments and packs. Extents that the index knows are referred to; the others are filled into
 * the open segment of their class, segments into packs. Packs that are full wait to be taken away: whoever adds
 * contents has to do so often enough that they do not pile up.
 */
import { zstdCompressSync } from 'node:zlib'
import {
  type ExtentKeys,
  type ExtentRef,
  type FinishedPack,
  type PackClass,
  type PackId,
  PackWriter,
  type Primitives,
  type Run,
  SECRET_STEP_BYTES,
  SEGMENT_MAX_BYTES,
  fromHex,
} from '@ocm/protocol'
import type { ExtentIndex, IndexedPack } from '../store/extent-index.ts'
import { ExtentTable } from '../store/extent-table.ts'

/** Part of a segment of the pack with this number; its id is known when it is finished. */
export type Ref = readonly [pack: number, segment: number, offset: number, length: number]

/** A pack of this run, ready to be sent. */
export interface PackedPack extends FinishedPack {
  /** What to put into the index when the hub holds it; empty for secrets. Its pack number is 0. */
  readonly extents: ExtentTable
  /** SHA-256 of the plaintext of some of its segments, to read it back by. */
  readonly samples: readonly { readonly segment: number; readonly sha256: Uint8Array }[]
}

/** A pack that the snapshot refers to. */
interface Used {
  /** Null while it is being filled. */
  info: Omit<IndexedPack, 'storedAt'> | null
  storedAt: number
  /** Plaintext bytes of it that the snapshot uses, each counted once. */
  liveBytes: number
  readonly isNew: boolean
}

interface Filling {
  readonly writer: PackWriter
  readonly number: number
  readonly extents: ExtentTable
  readonly samples: PackedPack['samples'][number][]
}

/** Compression must gain a fiftieth, or reading would be slowed down for nothing. */
const WORTH = 0.98
/** Besides a pack's first segment, one in so many is read back. */
const SAMPLE_ONE_IN = 8

export class Packing {
  readonly #p: Primitives
  readonly #run: Run
  readonly #keys: ExtentKeys
  readonly #index: ExtentIndex
  readonly #now: () => number
  readonly #used: Used[] = []
  /** Numbers in `#used` of packs of the index, by their position there. */
  readonly #reused = new Map<number, number>()
  /** Extents of this snapshot, under numbers of `#used`. */
  readonly #extents = new ExtentTable()
  readonly #filling = new Map<PackClass, Filling>()
  readonly #segments = new Map<PackClass, { readonly bytes: Uint8Array; length: number }>()
  readonly #finished: PackedPack[] = []
  readonly #packKeys = new Map<PackId, Uint8Array>()
  #newBytes = 0
  #storedBytes = 0

  constructor(parts: {
    readonly p: Primitives
    readonly run: Run
    readonly keys: ExtentKeys
    /** What may be referred to. */
    readonly index: ExtentIndex
    readonly now: () => number
  }) {
    this.#p = parts.p
    this.#run = parts.run
    this.#keys = parts.keys
    this.#index = parts.index
    this.#now = parts.now
  }

  /** @param extent 1 byte to EXTENT_MAX_BYTES; copied if it is new. */
  add(packClass: PackClass, extent: Uint8Array, sha256 = this.#p.sha256(extent)): Ref {
    if (packClass === 'secret') return this.#fill(packClass, extent)
    const id = this.#keys.idOf(packClass, sha256)
    const here = this.#extents.find(id)
    if (here) return [here.pack, here.segment, here.offset, here.length]
    const ref = this.#refer(packClass, id, extent.length) ?? this.#fill(packClass, extent, id)
    const [pack, segment, offset, length] = ref
    this.#extents.add(id, { pack, segment, offset, length })
    return ref
  }

  #refer(packClass: PackClass, id: Uint8Array, length: number): Ref | undefined {
    const known = this.#index.extents.find(id)
    const pack = known && this.#index.packs[known.pack]
    if (!known || !pack || known.length !== length || pack.class !== packClass) return undefined
    let number = this.#reused.get(known.pack)
    if (number === undefined) {
      const { storedAt, ...info } = pack
      number = this.#used.push({ info, storedAt, liveBytes: 0, isNew: false }) - 1
      this.#reused.set(known.pack, number)
    }
    ;(this.#used[number] as Used).liveBytes += length
    return [number, known.segment, known.offset, length]
  }

  #fill(packClass: PackClass, extent: Uint8Array, id?: Uint8Array): Ref {
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
    ;(this.#used[filling.number] as Used).liveBytes += extent.length
    this.#newBytes += extent.length
    const place = { segment: filling.writer.segments, offset, length: extent.length }
    if (id) filling.extents.add(id, { pack: 0, ...place })
    return [filling.number, place.segment, place.offset, place.length]
  }

  #fillingOf(packClass: PackClass): Filling {
    const there = this.#filling.get(packClass)
    if (there) return there
    const number =
      this.#used.push({ info: null, storedAt: this.#now(), liveBytes: 0, isNew: true }) - 1
    const filling: Filling = {
      writer: new PackWriter(this.#p, this.#run, packClass),
      number,
      extents: new ExtentTable(),
      samples: [],
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
    if (number === 0 || (this.#p.random(1)[0] as number) % SAMPLE_ONE_IN === 0) {
      filling.samples.push({ segment: number, sha256: this.#p.sha256(plain) })
    }
    // What compresses well would show by its length; and contents that others chose must not lie next to secrets.
    const packed = packClass === 'secret' ? plain : zstdCompressSync(plain)
    const zstd = packed.length < plain.length * WORTH
    filling.writer.add({ stored: zstd ? packed : plain, plainBytes: plain.length, zstd })
    segment.length = 0
    if (filling.writer.isFull) this.#finishPack(packClass, filling)
  }

  #finishPack(packClass: PackClass, filling: Filling): void {
    const pack = filling.writer.finish()
    const used = this.#used[filling.number] as Used
    used.info = {
      id: pack.id,
      bytes: pack.bytes.length,
      class: packClass,
      header: pack.header,
    }
    this.#storedBytes += pack.bytes.length
    this.#packKeys.set(pack.id, pack.key)
    this.#finished.push({ ...pack, extents: filling.extents, samples: filling.samples })
    this.#filling.delete(packClass)
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

  /** The next pack to be sent; it is not kept here. */
  take(): PackedPack | undefined {
    return this.#finished.shift()
  }

  /** Neighbours joined. To be called when the packs referred to are finished. */
  resolve(refs: readonly Ref[]): ExtentRef[] {
    const found: ExtentRef[] = []
    let last: Ref | undefined
    for (const ref of refs) {
      const [pack, segment, offset, length] = ref
      const before = found.at(-1)
      const follows =
        last?.[0] === pack && last[1] === segment && last[2] + last[3] === offset && before
      if (follows) before[3] += length
      else found.push([fromHex(this.#infoOf(pack).id), segment, offset, length])
      last = ref
    }
    return found
  }

  #infoOf(pack: number): Omit<IndexedPack, 'storedAt'> {
    const info = this.#used[pack]?.info
    if (!info) throw new TypeError('this pack is not finished')
    return info
  }

  /** Every pack the snapshot refers to, sorted by id. */
  packs(): readonly (Omit<IndexedPack, 'storedAt'> & { readonly liveBytes: number })[] {
    return this.#used
      .map(({ liveBytes }, number) => ({ ...this.#infoOf(number), liveBytes }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** What the next run may refer to: what this snapshot uses, without secrets. */
  indexAfter(): ExtentIndex {
    const packs: IndexedPack[] = []
    const numbers = this.#used.map(({ storedAt }, number) => {
      const info = this.#infoOf(number)
      return info.class === 'secret' ? undefined : packs.push({ ...info, storedAt }) - 1
    })
    const extents = new ExtentTable()
    extents.addAll(this.#extents, (pack) => numbers[pack])
    return { packs, extents }
  }

  /** Keys of the packs of this run. In memory only, and for a grant only. */
  get packKeys(): ReadonlyMap<PackId, Uint8Array> {
    return this.#packKeys
  }

  get written(): { readonly newBytes: number; readonly storedBytes: number } {
    return { newBytes: this.#newBytes, storedBytes: this.#storedBytes }
  }
}
