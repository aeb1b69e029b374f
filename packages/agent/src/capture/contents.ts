/** The content of one file, from an open descriptor into packs, without holding more of it than a window. */
import { readSync } from 'node:fs'
import {
  CUT_WINDOW_BYTES,
  EXTENT_MAX_BYTES,
  type ExtentKeys,
  type PackClass,
  type Primitives,
  cutAfter,
  isOneExtent,
} from '@ocm/protocol'
import { onPath } from './path-failed.ts'
import type { Packing } from './packing.ts'
import { NO_REFS, RefList, type Refs } from '../store/refs.ts'

export interface Content {
  readonly size: number
  readonly sha256: Uint8Array
  readonly refs: Refs
}

/** Where contents of one thread go. */
export interface ContentSink {
  readonly p: Primitives
  readonly packing: Packing
  readonly keys: ExtentKeys
  /** Shown the content of each file that is read, undefined of one that is not read in one go. */
  readonly seen?: (bytes: Uint8Array | undefined) => void
}

const WINDOW_BYTES = 8 * CUT_WINDOW_BYTES
/** One for each thread: what is read is in a pack, or known, before the next is read. */
let window: Uint8Array | undefined
const theWindow = () => (window ??= new Uint8Array(WINDOW_BYTES))

/** A file that is one extent, from its bytes. */
export function smallContent(sink: ContentSink, packClass: PackClass, bytes: Uint8Array): Content {
  const sha256 = sink.p.sha256(bytes)
  if (bytes.length === 0) return { size: 0, sha256, refs: NO_REFS }
  const refs = new RefList()
  sink.packing.add(refs, packClass, bytes, sha256)
  return { size: bytes.length, sha256, refs: refs.take() }
}

/** Any file, from bytes that are in memory already. */
export function memoryContent(sink: ContentSink, packClass: PackClass, bytes: Uint8Array): Content {
  if (isOneExtent(bytes.length)) return smallContent(sink, packClass, bytes)
  const refs = new RefList()
  for (let at = 0; at < bytes.length;) {
    const end = cutAfter(sink.keys.gear, bytes, at, bytes.length)
    sink.packing.add(refs, packClass, bytes.subarray(at, end))
    at = end
  }
  return { size: bytes.length, sha256: sink.p.sha256(bytes), refs: refs.take() }
}

/** @param bytes how much to read, at most: what is appended meanwhile belongs to the next snapshot. */
export function fileContent(
  sink: ContentSink,
  packClass: PackClass,
  descriptor: number,
  bytes: number,
): Content {
  const held = theWindow()
  if (isOneExtent(bytes)) {
    const content = held.subarray(0, fill(descriptor, held, 0, 0, bytes))
    sink.seen?.(content)
    return smallContent(sink, packClass, content)
  }
  const refs = new RefList()
  const hash = sink.p.sha256Parts()
  let size = 0
  let length = 0
  for (let ended = false; !ended;) {
    const want = Math.min(held.length - length, bytes - size)
    const got = fill(descriptor, held, length, size, want)
    hash.update(held.subarray(length, length + got))
    if (size === 0) sink.seen?.(got === bytes ? held.subarray(0, got) : undefined)
    size += got
    length += got
    ended = got < want || size === bytes
    const least = ended ? 1 : EXTENT_MAX_BYTES
    let at = 0
    while (length - at >= least) {
      const end = cutAfter(sink.keys.gear, held, at, length)
      sink.packing.add(refs, packClass, held.subarray(at, end))
      at = end
    }
    held.copyWithin(0, at, length)
    length -= at
  }
  return { size, sha256: hash.digest(), refs: refs.take() }
}

/** Pieces of one size, from one part of a database. */
export interface Pieces {
  /** How many bytes there were. */
  readonly size: number
  /** SHA-256 of each piece, one behind the other. */
  readonly digests: Uint8Array
  readonly refs: Refs
}

/** @param to where the part ends; `from` is a multiple of `pieceBytes`. */
export function pieceContent(
  sink: ContentSink,
  packClass: PackClass,
  descriptor: number,
  pieceBytes: number,
  from: number,
  to: number,
): Pieces {
  const held = theWindow()
  const refs = new RefList()
  const digests = new Uint8Array(32 * Math.ceil((to - from) / pieceBytes))
  let at = from
  for (let got = -1; at < to && got !== 0;) {
    got = fill(descriptor, held, 0, at, Math.min(held.length, to - at))
    for (let start = 0; start < got; start += pieceBytes) {
      const piece = held.subarray(start, Math.min(start + pieceBytes, got))
      const sha256 = sink.p.sha256(piece)
      digests.set(sha256, (32 * (at - from + start)) / pieceBytes)
      sink.packing.add(refs, packClass, piece, sha256)
    }
    at += got
  }
  const pieces = Math.ceil((at - from) / pieceBytes)
  return { size: at - from, digests: digests.subarray(0, 32 * pieces), refs: refs.take() }
}

/** Reads as much as there is, up to `want` bytes. */
function fill(
  descriptor: number,
  into: Uint8Array,
  at: number,
  from: number,
  want: number,
): number {
  let held = 0
  for (let got = -1; got !== 0 && held < want;) {
    const [to, place, rest] = [at + held, from + held, want - held]
    got = onPath(() => readSync(descriptor, into, to, rest, place))
    held += got
  }
  return held
}
