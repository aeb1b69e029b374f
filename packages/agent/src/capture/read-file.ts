/** Reading a file that others may write to at the same time. */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { EXTENT_MAX_BYTES, type Omission, type PackClass, equal, isOneExtent } from '@ocm/protocol'
import { type Content, type ContentSink, largeContent, smallContent } from './contents.ts'
import { PathFailed, onPath } from './path-failed.ts'

export type FileRead =
  | {
      readonly content: Content
      /** Permission bits. */
      readonly mode: number
      readonly modifiedAt: number
      /** It changed each time it was read. */
      readonly unstable: boolean
    }
  | { readonly omit: Omission['why'] }

/** How often a file that keeps changing is read. */
const READS = 4
/** Larger than this it is read twice at most: what is read in vain has been stored. */
const COSTLY_BYTES = 64 * 1024 * 1024
/** Two writes within one tick of the kernel's clock leave the same time behind. */
const TICK_NS = 20_000_000n
const PAUSE_MS = 5

/** No link is followed, and opening a pipe that was put in the file's place does not wait for a writer. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

const small = new Uint8Array(EXTENT_MAX_BYTES)

/**
 * Reads until nothing changed during the read, or two reads agree.
 * @param now milliseconds since 1970.
 */
export async function readFile(
  sink: ContentSink,
  packClass: PackClass,
  path: Buffer,
  now: () => number,
): Promise<FileRead> {
  let last: Extract<FileRead, { content: Content }> | undefined
  for (let reads = 1; ; reads++) {
    const read = await readOnce(sink, packClass, path, now).catch(omitted)
    if ('omit' in read) return read
    const agrees = last !== undefined && equal(last.content.sha256, read.content.sha256)
    if (!read.unstable || agrees) return { ...read, unstable: false }
    if (reads >= (read.content.size > COSTLY_BYTES ? 2 : READS)) return read
    last = read
    await setTimeout(PAUSE_MS)
  }
}

function omitted(error: unknown): Extract<FileRead, { omit: unknown }> {
  if (error instanceof PathFailed) return { omit: error.why }
  throw error
}

async function readOnce(
  sink: ContentSink,
  packClass: PackClass,
  path: Buffer,
  now: () => number,
): Promise<FileRead> {
  const descriptor = onPath(() => openSync(path, FLAGS))
  try {
    const before = onPath(() => fstatSync(descriptor, { bigint: true }))
    if (!before.isFile()) return { omit: 'special' }
    const opened = BigInt(Math.floor(now())) * 1_000_000n
    const content = await contentOf(sink, packClass, descriptor, Number(before.size))
    const after = onPath(() => fstatSync(descriptor, { bigint: true }))
    const isOld = opened - before.mtimeNs > TICK_NS && opened - before.ctimeNs > TICK_NS
    return {
      content,
      mode: Number(after.mode & 0o7777n),
      modifiedAt: Number(after.mtimeNs / 1000n) / 1000,
      unstable: !isSame(before, after) || !isOld,
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Small files reach a pack only when they have been read whole. */
function contentOf(
  sink: ContentSink,
  packClass: PackClass,
  descriptor: number,
  size: number,
): Content | Promise<Content> {
  if (!isOneExtent(size)) return largeContent(sink, packClass, descriptor, size)
  let held = 0
  for (let got = -1; got !== 0 && held < size;) {
    got = onPath(() => readSync(descriptor, small, held, size - held, held))
    held += got
  }
  return smallContent(sink, packClass, small.subarray(0, held))
}

const isSame = (a: BigIntStats, b: BigIntStats) =>
  a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
