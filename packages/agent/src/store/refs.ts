/**
 * Where the bytes of something lie: quadruples of pack number, segment, offset and length in one flat array, neighbours
 * joined. Numbers of packs are those of the run's PackBook; ids are put in their place when the packs are finished.
 */

export type Refs = Uint32Array<ArrayBuffer>

/** Numbers of a reference. */
export const REF_WORDS = 4

export const NO_REFS: Refs = new Uint32Array(0)

/** Grows as extents are added. */
export class RefList {
  #words = new Uint32Array(64)
  #length = 0

  add(pack: number, segment: number, offset: number, length: number): void {
    const words = this.#words
    const at = this.#length
    const last = at - REF_WORDS
    if (
      at > 0 &&
      words[last] === pack &&
      words[last + 1] === segment &&
      (words[last + 2] as number) + (words[last + 3] as number) === offset
    ) {
      words[last + 3] = (words[last + 3] as number) + length
      return
    }
    if (at + REF_WORDS > words.length) {
      this.#words = new Uint32Array(words.length * 2)
      this.#words.set(words)
    }
    this.#words.set([pack, segment, offset, length], at)
    this.#length = at + REF_WORDS
  }

  addAll(refs: Refs): void {
    for (let at = 0; at < refs.length; at += REF_WORDS) {
      const [pack, segment, offset, length] = refs.subarray(at, at + REF_WORDS)
      this.add(pack as number, segment as number, offset as number, length as number)
    }
  }

  /** A copy of what has been added; the list is empty afterwards. */
  take(): Refs {
    const refs = this.#words.slice(0, this.#length)
    this.#length = 0
    return refs
  }
}
