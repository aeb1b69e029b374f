/** Reading a file that others may write to at the same time. */
import { type Stats, closeSync, constants, fstatSync, openSync } from 'node:fs'
import { type Omission, type PackClass, equal } from '@ocm/protocol'
import { type Content, type ContentSink, fileContent } from './contents.ts'
import type { Look } from '../store/stat-cache.ts'
import { isSettled, lookOf } from './on-disk.ts'
import { PathFailed, onPath } from './path-failed.ts'

export type FileRead =
  | {
      readonly content: Content
      /** As it was when it had been read. */
      readonly look: Look
      /** It changed each time it was read. */
      readonly unstable: boolean
    }
  | { readonly omit: Omission['why'] }

/** How often a file that keeps changing is read. */
const READS = 4
/** Larger than this it is read twice at most: what is read in vain has been stored. */
const COSTLY_BYTES = 64 * 1024 * 1024
/** Two writes within one tick of the kernel's clock leave the same time behind. */
export const TICK_MS = 20
/** Between two reads that are to agree: a writer may have to wait for a processor in between. */
const PAUSE_MS = 20

/** No link is followed, and opening a pipe that was put in the file's place does not wait for a writer. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Reads until nothing changed during the read, or two reads agree. Does not give way to other work.
 * @param now milliseconds since 1970.
 */
export function readFile(
  sink: ContentSink,
  packClass: PackClass,
  path: string | Buffer,
  now: () => number,
): FileRead {
  let last: Extract<FileRead, { content: Content }> | undefined
  for (let reads = 1; ; reads++) {
    const read = readOrOmit(sink, packClass, path, now)
    if ('omit' in read) return read
    const agrees = last !== undefined && equal(last.content.sha256, read.content.sha256)
    if (!read.unstable || agrees) return { ...read, unstable: false }
    if (reads >= (read.content.size > COSTLY_BYTES ? 2 : READS)) return read
    last = read
    Atomics.wait(nothing, 0, 0, PAUSE_MS)
  }
}

/** Nobody wakes it: to wait without giving way. */
const nothing = new Int32Array(new SharedArrayBuffer(4))

function readOrOmit(...args: Parameters<typeof readFile>): FileRead {
  try {
    return readOnce(...args)
  } catch (error) {
    if (error instanceof PathFailed) return { omit: error.why }
    throw error
  }
}

function readOnce(
  sink: ContentSink,
  packClass: PackClass,
  path: string | Buffer,
  now: () => number,
): FileRead {
  const descriptor = onPath(() => openSync(path, READ_FLAGS))
  try {
    const before = onPath(() => fstatSync(descriptor))
    if (!before.isFile()) return { omit: 'special' }
    const opened = now()
    const content = fileContent(sink, packClass, descriptor, before.size)
    const after = onPath(() => fstatSync(descriptor))
    const isOld = isSettled(lookOf(before), opened, TICK_MS)
    return { content, look: lookOf(after), unstable: !isSame(before, after) || !isOld }
  } finally {
    closeSync(descriptor)
  }
}

const isSame = (a: Stats, b: Stats) =>
  a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs
