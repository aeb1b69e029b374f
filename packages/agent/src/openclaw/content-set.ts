/**
 * A set of contents by their hashes, tens of thousands of them: in plain bytes, which are read back as they are. Of
 * each, a letter (how it was looked at) and 15 bytes of its hash are kept: nobody can make another content of the same.
 */
export const KEY_BYTES = 16

export class ContentSet {
  #keys: Uint8Array
  #size: number
  /** The place of a key, plus one; 0 for none. */
  #slots: Uint32Array
  readonly #marked: number[] = []
  #isMarked: Uint8Array

  /** @param keys as `marked` gave them. */
  constructor(keys: Uint8Array = new Uint8Array(0)) {
    this.#size = Math.floor(keys.length / KEY_BYTES)
    this.#keys = keys.slice(0, this.#size * KEY_BYTES)
    this.#isMarked = new Uint8Array(this.#size)
    this.#slots = new Uint32Array(0)
    this.#spread()
  }

  get size(): number {
    return this.#size
  }

  get markedSize(): number {
    return this.#marked.length
  }

  /** Whether it is in the set; then it is marked. */
  mark(letter: number, sha256: Uint8Array): boolean {
    const place = (this.#slots[this.#slotOf(letter, sha256)] as number) - 1
    if (place < 0) return false
    this.#markAt(place)
    return true
  }

  /** Takes it in, marked. */
  add(letter: number, sha256: Uint8Array): void {
    if (this.mark(letter, sha256)) return
    if (this.#keys.length === this.#size * KEY_BYTES) this.#grow()
    const at = this.#size * KEY_BYTES
    this.#keys[at] = letter
    this.#keys.set(sha256.subarray(0, KEY_BYTES - 1), at + 1)
    this.#slots[this.#slotOf(letter, sha256)] = this.#size + 1
    this.#size += 1
    this.#markAt(this.#size - 1)
  }

  /** Those that are marked, in the order in which they were. */
  marked(): Uint8Array {
    const out = new Uint8Array(this.#marked.length * KEY_BYTES)
    for (const [i, place] of this.#marked.entries()) {
      const at = place * KEY_BYTES
      out.set(this.#keys.subarray(at, at + KEY_BYTES), i * KEY_BYTES)
    }
    return out
  }

  #markAt(place: number): void {
    if (this.#isMarked[place] === 1) return
    this.#isMarked[place] = 1
    this.#marked.push(place)
  }

  /** Where its place stands, or is to stand. */
  #slotOf(letter: number, sha256: Uint8Array): number {
    const mask = this.#slots.length - 1
    let slot = startOf(sha256, 0) & mask
    for (;;) {
      const place = this.#slots[slot] as number
      if (place === 0 || this.#isAt(place - 1, letter, sha256)) return slot
      slot = (slot + 1) & mask
    }
  }

  #isAt(place: number, letter: number, sha256: Uint8Array): boolean {
    const at = place * KEY_BYTES
    const keys = this.#keys
    if (keys[at] !== letter) return false
    for (let i = 1; i < KEY_BYTES; i++) if (keys[at + i] !== sha256[i - 1]) return false
    return true
  }

  #grow(): void {
    const room = Math.max(1024, this.#size * 2)
    const keys = new Uint8Array(room * KEY_BYTES)
    keys.set(this.#keys)
    const isMarked = new Uint8Array(room)
    isMarked.set(this.#isMarked)
    this.#keys = keys
    this.#isMarked = isMarked
    this.#spread()
  }

  /** At least half of the slots are free. */
  #spread(): void {
    const room = Math.max(512, this.#keys.length / KEY_BYTES)
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(room * 2)))
    const mask = this.#slots.length - 1
    for (let place = 0; place < this.#size; place++) {
      let slot = startOf(this.#keys, place * KEY_BYTES + 1) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = place + 1
    }
  }
}

/** A hash is as good a number as any other. */
const startOf = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
