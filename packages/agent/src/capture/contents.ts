/** The content of one file, from an open descriptor into packs, without holding more of it than a window. */
import { readSync } from 'node:fs'
import {
  CUT_WINDOW_BYTES,
  EXTENT_MAX_BYTES,
  type ExtentKeys,
  type Hasher,
  type PackClass,
  type Primitives,
  contentHash,
  cutAfter,
  databaseExtentBytes,
  isOneExtent,
} from '@ocm/protocol'
import { onPath } from './path-failed.ts'
import type { Packing, Ref } from './packing.ts'

export interface Content {
  readonly size: number
  readonly sha256: Uint8Array
  readonly refs: readonly Ref[]
}

/** Where contents go, and a place to wait while packs are sent. */
export interface ContentSink {
  readonly p: Primitives
  readonly packing: Packing
  readonly keys: ExtentKeys
  /** To be awaited after each piece. */
  relieve(): Promise<void>
}

const WINDOW_BYTES = 16 * CUT_WINDOW_BYTES

/** Where a piece that begins at `from` ends. `end - from` is CUT_WINDOW_BYTES at least, or the rest of the file. */
type Cut = (bytes: Uint8Array, from: number, end: number) => number

const byContent =
  (keys: ExtentKeys): Cut =>
  (bytes, from, end) =>
    cutAfter(keys.gear, bytes, from, end)

const byPages =
  (pageBytes: number): Cut =>
  (_, from, end) =>
    Math.min(from + pageBytes, end)

/** A file that is one extent, from its bytes. */
export function smallContent(sink: ContentSink, packClass: PackClass, bytes: Uint8Array): Content {
  const sha256 = sink.p.sha256(bytes)
  const refs = bytes.length === 0 ? [] : [sink.packing.add(packClass, bytes, sha256)]
  return { size: bytes.length, sha256, refs }
}

/** Any file, from bytes that are in memory already. */
export function memoryContent(sink: ContentSink, packClass: PackClass, bytes: Uint8Array): Content {
  if (isOneExtent(bytes.length)) return smallContent(sink, packClass, bytes)
  const cut = byContent(sink.keys)
  const refs: Ref[] = []
  for (let at = 0; at < bytes.length;) {
    const end = cut(bytes, at, bytes.length)
    refs.push(sink.packing.add(packClass, bytes.subarray(at, end)))
    at = end
  }
  return { size: bytes.length, sha256: sink.p.sha256(bytes), refs }
}

/** @param bytes how much to read, at most: what is appended meanwhile belongs to the next snapshot. */
export const largeContent = (
  sink: ContentSink,
  packClass: PackClass,
  descriptor: number,
  bytes: number,
): Promise<Content> =>
  stream(
    sink,
    packClass,
    descriptor,
    bytes,
    byContent(sink.keys),
    contentHash(sink.p, 'file', bytes),
  )

export const databaseContent = (
  sink: ContentSink,
  packClass: PackClass,
  descriptor: number,
  bytes: number,
): Promise<Content> =>
  stream(
    sink,
    packClass,
    descriptor,
    bytes,
    byPages(databaseExtentBytes(bytes)),
    contentHash(sink.p, 'database', bytes),
  )

async function stream(
  sink: ContentSink,
  packClass: PackClass,
  descriptor: number,
  bytes: number,
  cut: Cut,
  hash: Hasher,
): Promise<Content> {
  const window = new Uint8Array(Math.min(WINDOW_BYTES, bytes))
  const refs: Ref[] = []
  let size = 0
  let held = 0
  for (let ended = false; !ended;) {
    const want = Math.min(window.length - held, bytes - size)
    const [to, from] = [held, size]
    const got = want === 0 ? 0 : onPath(() => readSync(descriptor, window, to, want, from))
    hash.update(window.subarray(held, held + got))
    size += got
    held += got
    ended = got === 0 || size === bytes
    const least = ended ? 1 : EXTENT_MAX_BYTES
    let at = 0
    while (held - at >= least) {
      const end = cut(window, at, held)
      refs.push(sink.packing.add(packClass, window.subarray(at, end)))
      at = end
      await sink.relieve()
    }
    window.copyWithin(0, at, held)
    held -= at
  }
  return { size, sha256: hash.digest(), refs }
}
