/** Who reads: this thread while there is little, several when there is much. */
import { availableParallelism } from 'node:os'
import { type PackClass, databaseExtentBytes } from '@ocm/protocol'
import { collectAll } from '../workers/collect.ts'
import { Crew, type CrewParts } from '../workers/crew.ts'
import type { ContentSink } from './contents.ts'
import { type Done, type Unit, doUnit } from './units.ts'

export interface Reader {
  /** In about the order of asking. */
  do(unit: Unit): Promise<Done>
  /** Answers when what was read is on its way or sent. Nothing is to be asked afterwards. */
  finish(): Promise<void>
}

/** A reader on its way: threads start while it is found out what they need to know. */
export interface Starting {
  /** 0: this thread reads by itself. */
  readonly threads: number
  /** To be called once, when the index is loaded. */
  reader(): Reader
  /** Answers when nothing of it is left, whatever it was doing. */
  end(): Promise<void>
}

/** Less than this is read faster than threads are started. */
const ALONE_BYTES = 8 * 1024 * 1024
const MOST_THREADS = 2

export const threadsFor = (bytes: number): number =>
  bytes < ALONE_BYTES ? 0 : Math.min(MOST_THREADS, availableParallelism())

/**
 * @param sink asked for when the index is loaded
 * @param relieve lets other work go on between units.
 */
export const inThisThread = (
  sink: () => ContentSink,
  now: () => number,
  relieve: () => Promise<void>,
): Starting => ({
  threads: 0,
  reader() {
    const into = sink()
    let last: Promise<unknown> = Promise.resolve()
    return {
      do(unit) {
        const done = last.then(async () => {
          await relieve()
          return doUnit(into, unit, now)
        })
        last = done
        return done
      },
      finish: () => Promise.resolve(),
    }
  },
  end: () => Promise.resolve(),
})

/** @param begin what may be referred to; asked for when the index is loaded */
export function inThreads(parts: CrewParts, begin: () => Parameters<Crew['begin']>[0]): Starting {
  const crew = new Crew(parts)
  return {
    threads: parts.threads,
    reader() {
      crew.begin(begin())
      return {
        do: (unit) => crew.do(unit),
        async finish() {
          await crew.finish()
          await crew.end()
          collectAll()
        },
      }
    },
    end: () => crew.end(),
  }
}

/** Files of one unit. */
const UNIT_FILES = 256
const UNIT_BYTES = 4 * 1024 * 1024
/** In one thread a unit is also how long other work waits. */
const UNIT_FILES_ALONE = 16

/**
 * Divides files that lie near each other, so that what is alike is compressed together. Large ones come first: then
 * threads end at about the same time.
 */
export function fileUnits<F extends { readonly size: number }>(
  files: readonly F[],
  threads: number,
): readonly (readonly F[])[] {
  const most = threads > 0 ? UNIT_FILES : UNIT_FILES_ALONE
  const large = files.filter(({ size }) => size > UNIT_BYTES)
  const units = large.map((one) => [one])
  let unit: F[] = []
  let bytes = 0
  for (const file of files) {
    if (file.size > UNIT_BYTES) continue
    if (unit.length >= most || (unit.length > 0 && bytes + file.size > UNIT_BYTES)) {
      units.push(unit)
      unit = []
      bytes = 0
    }
    unit.push(file)
    bytes += file.size
  }
  return unit.length > 0 ? [...units, unit] : units
}

const PART_BYTES = 32 * 1024 * 1024

/** @param path for node:fs. */
export function databaseUnits(
  packClass: PackClass,
  path: string | Buffer,
  size: number,
): readonly Unit[] {
  const pieceBytes = databaseExtentBytes(size)
  const units: Unit[] = []
  for (let from = 0; from < size; from += PART_BYTES) {
    const to = Math.min(from + PART_BYTES, size)
    units.push({ kind: 'pieces', class: packClass, path, pieceBytes, from, to })
  }
  return units
}
