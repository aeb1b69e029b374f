/** Turns round what a manifest says: which files each pack is needed for, and which bytes of it. */
import { type Entry, type PackId, equal, hex } from '@ocm/protocol'
import { type FileSpot, HASH_BYTES, type PackOrder, ROW } from './orders.ts'

export interface NumberedFile {
  readonly spot: FileSpot
  readonly entry: Entry
}

/** One pack, from the view of what is to be written. */
export interface Strand {
  readonly pack: PackId
  /** Plaintext bytes that are wanted, each as often as it is written. */
  readonly wanted: number
  readonly segments: ReadonlySet<number>
  /** Numbers of the files that need it. */
  readonly files: readonly number[]
  /** Made when it is needed, because all of them together take more memory than what is written at a time. */
  order(): Pick<PackOrder, 'files' | 'hashes' | 'starts' | 'pieces'>
}

export interface Weave {
  /** In the order in which files need them. */
  readonly strands: readonly Strand[]
  /** In how many packs each file lies, by its number; 0 for an empty one. */
  readonly parts: Uint32Array
}

interface Gathered {
  wanted: number
  readonly segments: Set<number>
  readonly files: { readonly file: NumberedFile; readonly rows: number[] }[]
}

/** @param files by their numbers, which count from 0. */
export function weave(files: readonly NumberedFile[]): Weave {
  const packs = new Map<PackId, Gathered>()
  const parts = new Uint32Array(files.length)
  const isCut = new Uint8Array(files.length)
  for (const file of files) {
    let at = 0
    let lastId: Uint8Array | undefined
    let gathered: Gathered | undefined
    for (const [id, segment, offset, length] of file.entry.extents ?? []) {
      if (!gathered || !lastId || !equal(id, lastId)) gathered = packOf(packs, hex(id))
      lastId = id
      const own = gathered.files.at(-1)
      if (own?.file !== file) {
        // Most files have one piece: a list that is begun empty has room for more.
        gathered.files.push({ file, rows: [segment, offset, length, at] })
        const before = parts[file.spot.file] as number
        parts[file.spot.file] = before + 1
        if (before > 0) isCut[file.spot.file] = 1
      } else if (length > 0 && isNext(own.rows, segment, offset, at)) {
        ;(own.rows[own.rows.length - 2] as number) += length
      } else own.rows.push(segment, offset, length, at)
      gathered.segments.add(segment)
      gathered.wanted += length
      at += length
    }
  }
  const strands = [...packs].map(([pack, gathered]): Strand => ({
    pack,
    wanted: gathered.wanted,
    segments: gathered.segments,
    files: gathered.files.map(({ file: { spot } }) => spot.file),
    order: () => orderOf(gathered, isCut),
  }))
  return { strands, parts }
}

/**
 * Whether a piece lies behind the last one, in the segment and in the file. Most do, and what is written at one go takes
 * less time than the same bytes in pieces.
 */
function isNext(rows: readonly number[], segment: number, offset: number, at: number): boolean {
  const last = rows.length - ROW
  const length = rows[last + 2] ?? 0
  return (
    length > 0 &&
    rows[last] === segment &&
    rows[last + 1] === offset - length &&
    rows[last + 3] === at - length
  )
}

function packOf(packs: Map<PackId, Gathered>, id: PackId): Gathered {
  const there = packs.get(id)
  if (there) return there
  const made: Gathered = { wanted: 0, segments: new Set(), files: [] }
  packs.set(id, made)
  return made
}

/** Files stand in the order of the first segment that they need, so that each segment is opened once. */
function orderOf(gathered: Gathered, isCut: Uint8Array): ReturnType<Strand['order']> {
  const files = gathered.files.toSorted((a, b) => (a.rows[0] as number) - (b.rows[0] as number))
  const starts = new Uint32Array(files.length + 1)
  const hashes = new Uint8Array(files.length * HASH_BYTES)
  const pieces = new Float64Array(files.reduce((sum, { rows }) => sum + rows.length, 0))
  let at = 0
  for (const [i, { file, rows }] of files.entries()) {
    starts[i] = at
    pieces.set(rows, at)
    at += rows.length
    if (file.entry.sha256) hashes.set(file.entry.sha256, i * HASH_BYTES)
  }
  starts[files.length] = at
  return {
    files: files.map(({ file: { spot } }) => ({ ...spot, isWhole: isCut[spot.file] === 0 })),
    hashes,
    starts,
    pieces,
  }
}
