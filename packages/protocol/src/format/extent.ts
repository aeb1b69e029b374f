/**
 * Extents: what is deduplicated. A small file is one; a larger one is cut where its content says so, a database into
 * pages of a fixed size. Their ids and the places where files are cut depend on the node's id key, so equal contents
 * on two nodes, or in two classes, have nothing in common.
 */
import { utf8 } from '../bytes.ts'
import { type Entry, PACK_CLASSES, type PackClass } from '../manifest.ts'
import type { Hasher, Primitives } from '../primitives/primitives.ts'
import { EXTENT_MAX_BYTES } from './limits.ts'

const KIB = 1024
const CUT = { min: 16 * KIB, mean: 64 * KIB, max: EXTENT_MAX_BYTES } as const
const DATABASE_EXTENT = 16 * KIB
const LARGE_DATABASE = 4 * 1024 * 1024 * KIB
const LARGE_DATABASE_EXTENT = 64 * KIB

export interface ExtentKeys {
  /** The id of an extent with this SHA-256, 32 bytes. It never leaves the node unsealed. */
  idOf(packClass: PackClass, sha256: Uint8Array): Uint8Array
  readonly gear: Int32Array
}

/** @param nodeIdKey 32 bytes that only the node has. */
export function extentKeys(p: Primitives, nodeIdKey: Uint8Array): ExtentKeys {
  const derive = (what: string, length: number) =>
    p.hkdf(nodeIdKey, new Uint8Array(0), utf8(`ocm/1 ${what}`), length)
  const keys = new Map(PACK_CLASSES.map((name) => [name, derive(`extent id ${name}`, 32)]))
  const table = derive('gear', 1024)
  const view = new DataView(table.buffer, table.byteOffset, table.length)
  return {
    idOf: (packClass, sha256) => p.hmacSha256(keys.get(packClass) as Uint8Array, sha256),
    gear: Int32Array.from({ length: 256 }, (_, i) => view.getInt32(4 * i)),
  }
}

/** How a file of this size is cut: not at all, or by content. */
export const isOneExtent = (fileBytes: number): boolean => fileBytes <= EXTENT_MAX_BYTES

export const databaseExtentBytes = (databaseBytes: number): number =>
  databaseBytes > LARGE_DATABASE ? LARGE_DATABASE_EXTENT : DATABASE_EXTENT

/**
 * The hash that an entry carries, from its content in parts of any length. Of a database it is the SHA-256 of the SHA-256s of
 * its pieces: these are known already when a database is cut, and a second pass over all of it would cost as much again.
 * @param size bytes of the whole content.
 */
export function contentHash(p: Primitives, kind: Entry['kind'], size: number): Hasher {
  return kind === 'database' ? hashOfPieces(p, databaseExtentBytes(size)) : p.sha256Parts()
}

function hashOfPieces(p: Primitives, pieceBytes: number): Hasher {
  const whole = p.sha256Parts()
  let piece = p.sha256Parts()
  let held = 0
  return {
    update(part) {
      for (let at = 0; at < part.length;) {
        const end = Math.min(at + pieceBytes - held, part.length)
        if (end - at === pieceBytes) {
          whole.update(p.sha256(part.subarray(at, end)))
          at = end
          continue
        }
        piece.update(part.subarray(at, end))
        held += end - at
        at = end
        if (held < pieceBytes) continue
        whole.update(piece.digest())
        piece = p.sha256Parts()
        held = 0
      }
    },
    digest() {
      if (held > 0) whole.update(piece.digest())
      return whole.digest()
    },
  }
}

/** How many bytes of a file `cutAfter` must be shown at once, unless the file ends before. */
export const CUT_WINDOW_BYTES = CUT.max

/**
 * FastCDC with a keyed gear table: the end of the extent that begins at `from`. The hash covers the last 32 bytes;
 * until the mean length a cut is made harder, after it easier, which keeps lengths near the mean.
 * @param end where the data ends; `end - from` must be CUT_WINDOW_BYTES at least unless the file ends there.
 */
export function cutAfter(gear: Int32Array, bytes: Uint8Array, from: number, end: number): number {
  if (end - from <= CUT.min) return end
  const last = Math.min(end, from + CUT.max)
  const mean = Math.min(last, from + CUT.mean)
  let at = from + CUT.min
  let hash = 0
  // Four bytes a round: a cut costs as much time as all else that is done to a byte but compressing it.
  for (const stop = mean - 3; at < stop; at += 4) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if ((hash & HARD) === 0) return at + 1
    hash = ((hash << 1) + (gear[bytes[at + 1] as number] as number)) | 0
    if ((hash & HARD) === 0) return at + 2
    hash = ((hash << 1) + (gear[bytes[at + 2] as number] as number)) | 0
    if ((hash & HARD) === 0) return at + 3
    hash = ((hash << 1) + (gear[bytes[at + 3] as number] as number)) | 0
    if ((hash & HARD) === 0) return at + 4
  }
  for (; at < mean; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if ((hash & HARD) === 0) return at + 1
  }
  for (const stop = last - 3; at < stop; at += 4) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if ((hash & EASY) === 0) return at + 1
    hash = ((hash << 1) + (gear[bytes[at + 1] as number] as number)) | 0
    if ((hash & EASY) === 0) return at + 2
    hash = ((hash << 1) + (gear[bytes[at + 2] as number] as number)) | 0
    if ((hash & EASY) === 0) return at + 3
    hash = ((hash << 1) + (gear[bytes[at + 3] as number] as number)) | 0
    if ((hash & EASY) === 0) return at + 4
  }
  for (; at < last; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if ((hash & EASY) === 0) return at + 1
  }
  return last
}

/** The highest bits of the hash depend on the most bytes. 2^16 is the mean. */
const highBits = (count: number) => (-1 << (32 - count)) | 0
const HARD = highBits(18)
const EASY = highBits(14)
