/** What is found in one file or link that is not of the configuration. */
import { closeSync, openSync, readSync } from 'node:fs'
import { absoluteOf, pathToBytes } from '@ocm/protocol'
import type { Captured, CapturedFile } from '../installation.port.ts'
import { hexOf } from './configuration-findings.ts'
import { errno } from './errno.ts'
import { isOfOpenClaw, jsonAs, kindOf, textIn, visitFile } from './file-strings.ts'
import { visitLink } from './link-strings.ts'
import { asRecalled, type Memory } from './memory.ts'
import { type Told, tellingWalk } from './mention.ts'
import type { Walk } from './strings.ts'

export interface FileFindings {
  readonly told: readonly Told[]
  /** Places stand in it, in letters that are not looked through. */
  readonly isUnread?: true
}

const NOTHING: FileFindings = { told: [] }

/** Whether any of the survey's marks stands in a content. */
export function markFinder(marks: readonly string[]): (bytes: Uint8Array) => boolean {
  const letters = marks.map((mark) => Buffer.from(pathToBytes(mark)).toString('latin1'))
  const any = new RegExp(letters.map((mark) => RegExp.escape(mark)).join('|'))
  return (bytes) =>
    letters.length > 0 &&
    any.test(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
}

export function findInFile(
  captured: Captured,
  file: CapturedFile,
  walk: Omit<Walk, 'visit'>,
  hasMark: (bytes: Uint8Array) => boolean,
  memory: Memory,
): FileFindings {
  const { place, placement, size, sha256 } = file
  const { section } = placement
  // By far the most. What is not looked at as words here is not looked at at all.
  if (sha256 !== undefined && !isOfOpenClaw(place) && memory.isClean('prose', sha256))
    return NOTHING
  const kind = kindOf({ place, section, size })
  if (kind === 'skip') return NOTHING
  const look = kind === 'json' ? jsonAs(place.path) : kind
  if (sha256 !== undefined && memory.isClean(look, sha256)) return NOTHING
  if (sha256 !== undefined && kind === 'prose' && file.marked === false) {
    memory.clean(look, sha256)
    return NOTHING
  }
  const name = `${section} ${place.root}:${place.path} ${hexOf(file)}`
  const kept = memory.recall(name) as FileFindings | undefined
  if (kept !== undefined) return kept

  const { bytes, isSame } = captured.read(place)
  const isLooked = kind !== 'prose' || hasMark(bytes)
  const text = isLooked ? textIn(bytes) : undefined
  const telling = tellingWalk(walk)
  if (text !== undefined) visitFile(telling, { place, section }, kind, text)
  const isUnread = isLooked && text === undefined && hasMark(bytes)
  const found: FileFindings = { told: telling.told(), ...(isUnread ? { isUnread } : {}) }
  if (sha256 === undefined || !isSame) return asRecalled(found)
  if (found.told.length > 0 || isUnread) return memory.keep(name, found)
  memory.clean(look, sha256)
  return NOTHING
}

/** Whether a file that is too large to be looked through is one that would be, by how it begins. */
export function isText(captured: Captured, file: CapturedFile, memory: Memory): boolean {
  const absolute = absoluteOf(captured.survey.layout, file.place)
  const name = `begins ${hexOf(file)}`
  const kept = memory.recall(name) as { readonly isText: boolean } | undefined
  if (kept !== undefined && file.sha256 !== undefined) return kept.isText
  const start = absolute === undefined ? undefined : beginningOf(absolute)
  // Gone meanwhile: it is told, and captured as it was.
  const found = { isText: start === undefined || textIn(start) !== undefined }
  return file.sha256 === undefined ? found.isText : memory.keep(name, found).isText
}

/** Whether it is a database of SQLite, by how it begins. */
export function isForeignDatabase(captured: Captured, { place }: CapturedFile): boolean {
  const absolute = NAMED.test(place.path) ? absoluteOf(captured.survey.layout, place) : undefined
  const start = absolute === undefined ? undefined : beginningOf(absolute)
  return start !== undefined && Buffer.from(start).toString('latin1').startsWith('SQLite format 3')
}

const NAMED = /\.(?:sqlite3?|db3?)$/i

const BEGINNING = 4096

function beginningOf(absolute: string): Uint8Array | undefined {
  let fd: number
  try {
    fd = openSync(Buffer.from(pathToBytes(absolute)), 'r')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errno(error) ?? '')) return undefined
    throw error
  }
  try {
    const start = Buffer.alloc(BEGINNING)
    const read = start.subarray(0, readSync(fd, start, 0, start.length, 0))
    // A letter may be cut in two at the end.
    return read.subarray(0, Math.max(0, read.length - 3))
  } finally {
    closeSync(fd)
  }
}

export function findInLink(
  captured: Captured,
  { place, placement, target }: CapturedFile,
  of: Omit<Walk, 'visit'>,
): readonly Told[] {
  const link = absoluteOf(captured.survey.layout, place)
  if (target === undefined || link === undefined) return []
  const walk = tellingWalk(of)
  visitLink(walk, { at: 'link target', section: placement.section }, link, target)
  return walk.told()
}
