/**
 * What is kept of each content while packs are read, as numbers and bytes one behind the other: of a large node there are
 * tens of thousands, and as many objects cost more to keep alive than to look at.
 */
import { type Entry, type PackId, equal, fromHex } from '@ocm/protocol'
import { HASH_BYTES } from './task.ts'

/** Of each part, in the order of the content: pack, segment, offset and length. */
const PLACE = 4

/** What a content is, without where it lies. */
export type Whole = Required<Pick<Entry, 'kind' | 'size' | 'sha256'>>

export interface Part {
  /** Number of its pack, see `packs`. */
  readonly pack: number
  readonly segment: number
  readonly offset: number
  readonly length: number
  /** Where it belongs in the content. */
  readonly at: number
}

export class Contents {
  readonly packs: PackId[] = []
  readonly #packNumbers = new Map<PackId, number>()
  /** Of each content: whether it is a database, its size, where its hash and its parts begin, and where it stands. */
  readonly #isDatabase: boolean[] = []
  readonly #sizes: number[] = []
  readonly #hashes = new Bytes()
  readonly #first: number[] = [0]
  readonly #places: number[] = []
  readonly #roots: string[] = []
  readonly #paths = new Bytes()
  readonly #pathEnds: number[] = [0]
  /** The first snapshot that has it, and the others where there are any. */
  readonly #snapshot: number[] = []
  readonly #others = new Map<number, number[]>()
  /** Contents whose hashes begin alike. */
  readonly #alike = new Map<number, number | number[]>()

  get count(): number {
    return this.#sizes.length
  }

  numberOf(pack: PackId): number {
    const known = this.#packNumbers.get(pack)
    if (known !== undefined) return known
    this.#packNumbers.set(pack, this.packs.length)
    return this.packs.push(pack) - 1
  }

  /**
   * Contents that are one, and lie at one place, are one content.
   * @param packs the numbers of the packs of its extents
   * @returns its number if it is new; undefined for one that was there
   */
  add(entry: Entry, packs: readonly number[], snapshot: number): number | undefined {
    const { extents = [], sha256 = new Uint8Array(HASH_BYTES) } = entry
    const start = new DataView(sha256.buffer, sha256.byteOffset).getUint32(0)
    const alike = this.#alike.get(start)
    const known = [alike ?? []].flat().find((one) => this.#isSame(one, entry, sha256, packs))
    if (known !== undefined) {
      const others = this.#others.get(known)
      if ((others?.at(-1) ?? this.#snapshot[known]) === snapshot) return undefined
      if (others) others.push(snapshot)
      else this.#others.set(known, [snapshot])
      return undefined
    }
    const number = this.#sizes.length
    this.#alike.set(start, alike === undefined ? number : [alike, number].flat())
    this.#isDatabase.push(entry.kind === 'database')
    this.#sizes.push(entry.size)
    this.#hashes.add(sha256)
    for (const [i, [, segment, offset, length]] of extents.entries()) {
      this.#places.push(packs[i] as number, segment, offset, length)
    }
    this.#first.push(this.#places.length)
    this.#roots.push(entry.root)
    this.#paths.add(entry.path)
    this.#pathEnds.push(this.#paths.length)
    this.#snapshot.push(snapshot)
    return number
  }

  #isSame(one: number, entry: Entry, sha256: Uint8Array, packs: readonly number[]): boolean {
    const { kind, size, extents = [] } = entry
    const first = this.#first[one] as number
    if (
      this.#sizes[one] !== size ||
      this.#isDatabase[one] !== (kind === 'database') ||
      (this.#first[one + 1] as number) - first !== extents.length * PLACE ||
      !equal(this.hash(one), sha256)
    ) {
      return false
    }
    const places = this.#places
    return extents.every(([, segment, offset, length], i) => {
      const at = first + i * PLACE
      return (
        places[at] === packs[i] &&
        places[at + 1] === segment &&
        places[at + 2] === offset &&
        places[at + 3] === length
      )
    })
  }

  /** Undoes what was added of a snapshot, the last one. @param count how many there were before */
  forget(count: number, snapshot: number): void {
    for (const [number, others] of this.#others) {
      if (others.at(-1) === snapshot) others.pop()
      if (others.length === 0 || number >= count) this.#others.delete(number)
    }
    for (const [start, alike] of this.#alike) {
      const left = [alike].flat().filter((number) => number < count)
      if (left.length === 0) this.#alike.delete(start)
      else this.#alike.set(start, left)
    }
    for (const column of [this.#isDatabase, this.#sizes, this.#roots, this.#snapshot]) {
      column.length = count
    }
    this.#first.length = count + 1
    this.#pathEnds.length = count + 1
    this.#places.length = this.#first[count] as number
    this.#hashes.length = count * HASH_BYTES
    this.#paths.length = this.#pathEnds[count] as number
  }

  hash(number: number): Uint8Array {
    return this.#hashes.part(number * HASH_BYTES, (number + 1) * HASH_BYTES)
  }

  whole(number: number): Whole {
    return {
      kind: this.#isDatabase[number] ? 'database' : 'file',
      size: this.#sizes[number] as number,
      sha256: this.hash(number),
    }
  }

  isDatabase(number: number): boolean {
    return this.#isDatabase[number] as boolean
  }

  /** Where it stands in the first snapshot that has it. */
  place(number: number): Pick<Entry, 'root' | 'path'> {
    const [start, end] = [this.#pathEnds[number], this.#pathEnds[number + 1]]
    const path = this.#paths.part(start as number, end as number)
    return { root: this.#roots[number] as string, path }
  }

  /** Those that have it, by the order in which they were added. */
  snapshots(number: number): readonly number[] {
    return [this.#snapshot[number] as number, ...(this.#others.get(number) ?? [])]
  }

  /** How many packs it lies in, where more than one is many. */
  span(number: number): 0 | 1 | 2 {
    const [from, to] = [this.#first[number] as number, this.#first[number + 1] as number]
    if (from === to) return 0
    for (let at = from; at < to; at += PLACE) {
      if (this.#places[at] !== this.#places[from]) return 2
    }
    return 1
  }

  parts(number: number): readonly Part[] {
    const places = this.#places
    const parts: Part[] = []
    const end = this.#first[number + 1] as number
    let at = 0
    for (let i = this.#first[number] as number; i < end; i += PLACE) {
      const length = places[i + 3] as number
      parts.push({
        pack: places[i] as number,
        segment: places[i + 1] as number,
        offset: places[i + 2] as number,
        length,
        at,
      })
      at += length
    }
    return parts
  }

  /** For a reader of one content. */
  entry(number: number): Pick<Entry, 'kind' | 'size' | 'sha256' | 'extents'> {
    const extents = this.parts(number).map(
      ({ pack, segment, offset, length }): [Uint8Array, number, number, number] => [
        fromHex(this.packs[pack] as PackId),
        segment,
        offset,
        length,
      ],
    )
    return { ...this.whole(number), extents }
  }
}

/** Byte strings one behind the other. */
class Bytes {
  length = 0
  #bytes = new Uint8Array(64 * 1024)

  add(more: Uint8Array): void {
    const length = this.length + more.length
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, this.length))
      this.#bytes = larger
    }
    this.#bytes.set(more, this.length)
    this.length = length
  }

  part(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from, to)
  }
}
