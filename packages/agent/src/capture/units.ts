/**
 * Pieces of reading that any thread can do, and what comes of them in flat arrays: of tens of thousands of files as many
 * objects would take longer to hand from one thread to another than the files took to read.
 */
import { closeSync, openSync } from 'node:fs'
import type { Omission, PackClass } from '@ocm/protocol'
import { type ContentSink, pieceContent } from './contents.ts'
import type { Look } from '../store/stat-cache.ts'
import { markFinder } from './mark-finder.ts'
import { PathFailed, onPath } from './path-failed.ts'
import { READ_FLAGS, readFile } from './read-file.ts'
import type { Refs } from '../store/refs.ts'

/** For node:fs. */
type Path = string | Uint8Array

export type Unit =
  | {
      readonly kind: 'files'
      readonly class: PackClass
      readonly paths: readonly Path[]
      /** What is looked for in them, and 1 for each of the paths in which it is. */
      readonly marks?: { readonly texts: readonly string[]; readonly wanted: Uint8Array }
    }
  /** A part of a database; pieces of one size. */
  | {
      readonly kind: 'pieces'
      readonly class: PackClass
      readonly path: Path
      readonly pieceBytes: number
      readonly from: number
      readonly to: number
    }

/** Of each file in the unit's order. */
export interface FilesDone {
  readonly kind: 'files'
  /** Positions in OUTCOMES. */
  readonly outcomes: Uint8Array
  /** Six numbers each. */
  readonly looks: Float64Array
  /** Bytes of content. */
  readonly sizes: Float64Array
  /** 32 bytes each. */
  readonly hashes: Uint8Array
  readonly refs: Refs
  /** Where each one's refs end. */
  readonly ends: Uint32Array
  /** 1: it was looked through, and no mark is in it. */
  readonly unmarked: Uint8Array
  /** Before the first of them was opened. */
  readonly since: number
}

export interface PiecesDone {
  readonly kind: 'pieces'
  /** Undefined when the database could not be read. */
  readonly done: { size: number; digests: Uint8Array; refs: Refs } | undefined
  readonly omit: Omission['why'] | undefined
}

export type Done = FilesDone | PiecesDone

export const OUTCOMES = [
  'read',
  'unstable',
  'unreadable',
  'vanished',
  'special',
  'regenerable',
  'other-filesystem',
] as const satisfies readonly ('read' | 'unstable' | Omission['why'])[]

const LOOK_WORDS = 6

export function lookAt({ looks }: FilesDone, n: number): Look {
  const at = n * LOOK_WORDS
  const [dev, ino, size, mtime, ctime, mode] = looks.subarray(at, at + LOOK_WORDS)
  return { dev, ino, size, mtime, ctime, mode } as Look
}

const putLook = (looks: Float64Array, n: number, of: Look): void =>
  looks.set([of.dev, of.ino, of.size, of.mtime, of.ctime, of.mode], n * LOOK_WORDS)

/**
 * Does one unit from beginning to end, without giving way.
 * @param now milliseconds since 1970.
 */
export function doUnit(sink: ContentSink, unit: Unit, now: () => number): Done {
  return unit.kind === 'files' ? readFiles(sink, unit, now) : readPieces(sink, unit)
}

function readFiles(
  sink: ContentSink,
  unit: Extract<Unit, { kind: 'files' }>,
  now: () => number,
): FilesDone {
  const count = unit.paths.length
  const parts: Refs[] = []
  const done = {
    kind: 'files' as const,
    outcomes: new Uint8Array(count),
    looks: new Float64Array(count * LOOK_WORDS),
    sizes: new Float64Array(count),
    hashes: new Uint8Array(count * 32),
    ends: new Uint32Array(count),
    unmarked: new Uint8Array(count),
    since: now(),
  }
  let end = 0
  let unmarked = false
  const hasMark = markFinder(unit.marks?.texts ?? [])
  const looking: ContentSink = {
    ...sink,
    seen: (bytes) => (unmarked = bytes !== undefined && !hasMark(bytes)),
  }
  for (const [n, path] of unit.paths.entries()) {
    unmarked = false
    const to = unit.marks?.wanted[n] === 1 ? looking : sink
    const read = readFile(to, unit.class, forFs(path), now)
    if ('omit' in read) done.outcomes[n] = OUTCOMES.indexOf(read.omit)
    else {
      const { content, look, unstable } = read
      done.outcomes[n] = OUTCOMES.indexOf(unstable ? 'unstable' : 'read')
      putLook(done.looks, n, look)
      done.sizes[n] = content.size
      done.hashes.set(content.sha256, n * 32)
      done.unmarked[n] = unmarked ? 1 : 0
      parts.push(content.refs)
      end += content.refs.length
    }
    done.ends[n] = end
  }
  const all = new Uint32Array(end)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return { ...done, refs: all }
}

function readPieces(sink: ContentSink, unit: Extract<Unit, { kind: 'pieces' }>): PiecesDone {
  try {
    const descriptor = onPath(() => openSync(forFs(unit.path), READ_FLAGS))
    try {
      const { class: of, pieceBytes, from, to } = unit
      const done = pieceContent(sink, of, descriptor, pieceBytes, from, to)
      return { kind: 'pieces', done, omit: undefined }
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (!(error instanceof PathFailed)) throw error
    return { kind: 'pieces', done: undefined, omit: error.why }
  }
}

/** Bytes that came from another thread are no Buffer any more. */
const forFs = (path: Path): string | Buffer =>
  typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.length)
