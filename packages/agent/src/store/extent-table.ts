/** Extent id to place, for as many extents as a node has: 32 bytes each in one flat array, open addressing. */

/** Where an extent lies. `pack` is a number that means something to whoever filled the table. */
export interface ExtentPlace {
  readonly pack: number
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/** Id (its first 128 bits), pack + 1 (0: the slot is free), segment, offset, length. */
const WORDS = 8
const RECORD_BYTES = 4 * WORDS
const FIRST_SLOTS = 16
const MAX_LOAD = 0.6

export class ExtentTable {
  #words: Uint32Array
  #count = 0

  /** @param count how many are expected, so that it need not grow. */
  constructor(count = 0) {
    let slots = FIRST_SLOTS
    while (count > slots * MAX_LOAD) slots *= 2
    this.#words = new Uint32Array(slots * WORDS)
  }

  /** A table over memory that threads share; nothing is to be added to it any more. */
  static over(shared: SharedArrayBuffer): ExtentTable {
    const table = new ExtentTable()
    table.#words = new Uint32Array(shared)
    return table
  }

  /** Its memory, for threads to share. */
  toShared(): SharedArrayBuffer {
    const shared = new SharedArrayBuffer(this.#words.byteLength)
    new Uint32Array(shared).set(this.#words)
    return shared
  }

  get size(): number {
    return this.#count
  }

  find(id: Uint8Array): ExtentPlace | undefined {
    const words = this.#words
    const at = this.#slotOf(...idWords(id))
    const pack = words[at + 4] as number
    if (pack === 0) return undefined
    return {
      pack: pack - 1,
      segment: words[at + 5] as number,
      offset: words[at + 6] as number,
      length: words[at + 7] as number,
    }
  }

  /** Replaces what was there for this id. */
  add(id: Uint8Array, place: ExtentPlace): void {
    const record = [...idWords(id), 0, place.segment, place.offset, place.length]
    this.#put(Uint32Array.from(record), 0, place.pack + 1)
  }

  /** Adds what another table holds, under the numbers that `packOf` gives its packs; undefined leaves an extent out. */
  addAll(other: ExtentTable, packOf: (pack: number) => number | undefined): void {
    const words = other.#words
    for (let at = 0; at < words.length; at += WORDS) {
      const held = words[at + 4] as number
      const pack = held === 0 ? undefined : packOf(held - 1)
      if (pack !== undefined) this.#put(words, at, pack + 1)
    }
  }

  /** Takes out those that are not to stay, and gives the others the number that `packOf` says. */
  keep(
    packOf: (pack: number, segment: number, offset: number, length: number) => number | undefined,
  ): ExtentTable {
    const kept = new ExtentTable()
    const words = this.#words.slice()
    let gone = 0
    for (let at = 0; at < words.length; at += WORDS) {
      const held = words[at + 4] as number
      if (held === 0) continue
      const [segment, offset] = [words[at + 5] as number, words[at + 6] as number]
      const pack = packOf(held - 1, segment, offset, words[at + 7] as number)
      words[at + 4] = pack === undefined ? 0 : pack + 1
      if (pack === undefined) gone++
    }
    kept.#words = words
    kept.#count = this.#count - gone
    if (gone === 0) return kept
    // Where one is taken out of a row of neighbours, those behind it would not be found.
    const anew = new ExtentTable(kept.#count)
    anew.addAll(kept, (pack) => pack)
    return anew
  }

  /** As it lies in memory, free slots too: whoever reads it has a table without putting one record after the other. */
  get bytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#words
    return new Uint8Array(buffer, byteOffset, byteLength)
  }

  /** @returns undefined when this is no table of packs below `packs`. */
  static fromBytes(bytes: Uint8Array, packs: number): ExtentTable | undefined {
    const slots = bytes.length / RECORD_BYTES
    if (!Number.isInteger(slots) || slots < FIRST_SLOTS) return undefined
    const words = new Uint32Array(bytes.slice().buffer)
    let count = 0
    for (let at = 4; at < words.length; at += WORDS) {
      const pack = words[at] as number
      if (pack > packs) return undefined
      if (pack !== 0) count++
    }
    if (count > slots * MAX_LOAD) return undefined
    const table = new ExtentTable()
    table.#words = words
    table.#count = count
    return table
  }

  /** Word by word: there are a hundred thousand of them, and a view of each would cost more than all else. */
  #put(from: Uint32Array, at: number, pack: number): void {
    if (this.#count + 1 > (this.#words.length / WORDS) * MAX_LOAD) this.#grow()
    const to = this.#slotFor(from, at)
    const words = this.#words
    if (words[to + 4] === 0) this.#count++
    for (let word = 0; word < WORDS; word++) words[to + word] = from[at + word] as number
    words[to + 4] = pack
  }

  #grow(): void {
    const old = this.#words
    const words = new Uint32Array(old.length * 2)
    this.#words = words
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 4] === 0) continue
      const to = this.#slotFor(old, at)
      for (let word = 0; word < WORDS; word++) words[to + word] = old[at + word] as number
    }
  }

  #slotFor(from: Uint32Array, at: number): number {
    const [a, b] = [from[at] as number, from[at + 1] as number]
    return this.#slotOf(a, b, from[at + 2] as number, from[at + 3] as number)
  }

  /** Where a record with this id is, or would be put. An id is a keyed hash, so its own bits are spread well enough. */
  #slotOf(a: number, b: number, c: number, d: number): number {
    const words = this.#words
    const end = words.length
    let at = (a % (end / WORDS)) * WORDS
    for (;;) {
      const isSame =
        words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d
      if (words[at + 4] === 0 || isSame) return at
      at += WORDS
      if (at === end) at = 0
    }
  }
}

function idWords(id: Uint8Array): readonly [number, number, number, number] {
  const view = new DataView(id.buffer, id.byteOffset, id.length)
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]
}
