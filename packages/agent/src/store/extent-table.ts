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
const FIRST_SLOTS = 1024
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
    const at = this.#slotOf(idWords(id))
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
    const [a, b, c, d] = idWords(id)
    this.#put([a, b, c, d, place.pack + 1, place.segment, place.offset, place.length])
  }

  /** Adds what another table holds, under the numbers that `packOf` gives its packs; undefined leaves an extent out. */
  addAll(other: ExtentTable, packOf: (pack: number) => number | undefined): void {
    for (let at = 0; at < other.#words.length; at += WORDS) {
      const record = other.#words.subarray(at, at + WORDS)
      const pack = record[4] === 0 ? undefined : packOf((record[4] as number) - 1)
      if (pack === undefined) continue
      const copy = record.slice()
      copy[4] = pack + 1
      this.#put(copy)
    }
  }

  /** Takes out those that are not to stay, and gives the others the number that `packOf` says. */
  keep(packOf: (place: ExtentPlace) => number | undefined): ExtentTable {
    const kept = new ExtentTable(this.#count)
    for (let at = 0; at < this.#words.length; at += WORDS) {
      const record = this.#words.subarray(at, at + WORDS)
      if (record[4] === 0) continue
      const pack = packOf({
        pack: (record[4] as number) - 1,
        segment: record[5] as number,
        offset: record[6] as number,
        length: record[7] as number,
      })
      if (pack === undefined) continue
      const copy = record.slice()
      copy[4] = pack + 1
      kept.#put(copy)
    }
    return kept
  }

  /** One record after the other, in this machine's byte order. */
  toBytes(): Uint8Array {
    const records = new Uint32Array(this.#count * WORDS)
    let to = 0
    for (let at = 0; at < this.#words.length; at += WORDS) {
      if (this.#words[at + 4] === 0) continue
      records.set(this.#words.subarray(at, at + WORDS), to)
      to += WORDS
    }
    return new Uint8Array(records.buffer)
  }

  /** @returns undefined when these are not whole records of packs below `packs`. */
  static fromBytes(bytes: Uint8Array, packs: number): ExtentTable | undefined {
    if (bytes.length % RECORD_BYTES !== 0) return undefined
    const records = new Uint32Array(bytes.slice().buffer)
    const table = new ExtentTable(records.length / WORDS)
    for (let at = 0; at < records.length; at += WORDS) {
      const pack = records[at + 4] as number
      if (pack === 0 || pack > packs) return undefined
      table.#put(records.subarray(at, at + WORDS))
    }
    return table
  }

  #put(record: ArrayLike<number>): void {
    if (this.#count + 1 > (this.#words.length / WORDS) * MAX_LOAD) this.#grow()
    const at = this.#slotOf(record)
    if (this.#words[at + 4] === 0) this.#count++
    this.#words.set(record, at)
  }

  #grow(): void {
    const old = this.#words
    this.#words = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 4] === 0) continue
      const record = old.subarray(at, at + WORDS)
      this.#words.set(record, this.#slotOf(record))
    }
  }

  /** Where a record with this id is, or would be put. An id is a keyed hash, so its own bits are spread well enough. */
  #slotOf(record: ArrayLike<number>): number {
    const words = this.#words
    const slots = words.length / WORDS
    let slot = (record[0] as number) % slots
    for (;;) {
      const at = slot * WORDS
      const isFree = words[at + 4] === 0
      const isSame =
        words[at] === record[0] &&
        words[at + 1] === record[1] &&
        words[at + 2] === record[2] &&
        words[at + 3] === record[3]
      if (isFree || isSame) return at
      slot = (slot + 1) % slots
    }
  }
}

function idWords(id: Uint8Array): readonly [number, number, number, number] {
  const view = new DataView(id.buffer, id.byteOffset, id.length)
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]
}
