/** The packs that a run may refer to, by number: those of earlier runs first, then its own as threads begin them. */
import type { PackId } from '@ocm/protocol'
import type { IndexedPack } from '../store/extent-index.ts'

export class PackBook {
  readonly #packs: (IndexedPack | undefined)[] = []
  readonly #numbers = new Map<PackId, number>()
  #next: Int32Array<SharedArrayBuffer> | undefined

  /** Packs of earlier runs that may be referred to. To be called before the first `begin`. */
  know(packs: readonly IndexedPack[]): void {
    for (const pack of packs) {
      if (this.#next) throw new TypeError('the run has begun')
      if (!this.#numbers.has(pack.id)) this.#put(this.#packs.length, pack)
    }
  }

  numberOf(id: PackId): number | undefined {
    return this.#numbers.get(id)
  }

  /** One number, shared by all threads: the one of the next pack that is begun. */
  get next(): SharedArrayBuffer {
    this.#next ??= new Int32Array(new SharedArrayBuffer(4)).fill(this.#packs.length)
    return this.#next.buffer
  }

  /** A pack of this run is finished. */
  finished(number: number, pack: IndexedPack): void {
    this.#put(number, pack)
  }

  /** @throws TypeError when that pack is not finished */
  at(number: number): IndexedPack {
    const pack = this.#packs[number]
    if (!pack) throw new TypeError('this pack is not finished')
    return pack
  }

  #put(number: number, pack: IndexedPack): void {
    this.#packs[number] = pack
    this.#numbers.set(pack.id, number)
  }
}

/** Begins a pack in this thread. */
export const takeNumber = (next: Int32Array<SharedArrayBuffer>): number => Atomics.add(next, 0, 1)
