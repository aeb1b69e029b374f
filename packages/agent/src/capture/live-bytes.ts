/** How much of each pack is in use, each byte counted once however often it is referred to. */
import { REF_WORDS, type Refs } from '../store/refs.ts'

const SEGMENT = 2 ** 20
const PACK = 2 ** 32

/** Ranges as two sorted lists: a place is pack, segment and offset in one number. */
export class LiveBytes {
  readonly #from: Float64Array
  readonly #to: Float64Array

  constructor(all: readonly Refs[]) {
    const count = all.reduce((sum, refs) => sum + refs.length, 0) / REF_WORDS
    const from = new Float64Array(count)
    const to = new Float64Array(count)
    let n = 0
    for (const refs of all) {
      for (let at = 0; at < refs.length; at += REF_WORDS, n++) {
        const start = placeOf(refs[at] as number, refs[at + 1] as number, refs[at + 2] as number)
        from[n] = start
        to[n] = start + (refs[at + 3] as number)
      }
    }
    this.#from = from.toSorted()
    this.#to = to.toSorted()
  }

  /** By pack number. */
  byPack(): ReadonlyMap<number, number> {
    const live = new Map<number, number>()
    this.#eachRange((from, to) => {
      // Ranges that touch may lie in two packs.
      for (let at = from; at < to;) {
        const pack = Math.floor(at / PACK)
        const end = Math.min(to, (pack + 1) * PACK)
        live.set(pack, (live.get(pack) ?? 0) + end - at)
        at = end
      }
    })
    return live
  }

  /** Answers whether a place is in use, with all that follows it up to `length`. */
  covers(): (pack: number, segment: number, offset: number, length: number) => boolean {
    const from: number[] = []
    const to: number[] = []
    this.#eachRange((start, end) => {
      from.push(start)
      to.push(end)
    })
    return (pack, segment, offset, length) => {
      const place = placeOf(pack, segment, offset)
      let [low, high] = [0, from.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if ((from[middle] as number) <= place) low = middle + 1
        else high = middle
      }
      return low > 0 && place + length <= (to[low - 1] as number)
    }
  }

  #eachRange(tell: (from: number, to: number) => void): void {
    const [from, to] = [this.#from, this.#to]
    let open = 0
    let start = 0
    for (let [f, t] = [0, 0]; t < to.length;) {
      if (f < from.length && (from[f] as number) <= (to[t] as number)) {
        if (open++ === 0) start = from[f] as number
        f++
      } else {
        if (--open === 0) tell(start, to[t] as number)
        t++
      }
    }
  }
}

const placeOf = (pack: number, segment: number, offset: number) =>
  pack * PACK + segment * SEGMENT + offset
