/** What is found in one file or link that is not of the configuration. */
import { absoluteOf, pathToBytes } from '@ocm/protocol'
import type { Captured } from '../installation.port.ts'
import { type CapturedFile } from './captured-files.ts'
import { hexOf } from './configuration-findings.ts'
import { isOfOpenClaw, jsonAs, kindOf, textIn, visitFile } from './file-strings.ts'
import { visitLink } from './link-strings.ts'
import { asRecalled, type Memory } from './memory.ts'
import { type Told, tellingWalk } from './mention.ts'
import type { Walk } from './strings.ts'

const NOTHING: readonly Told[] = []

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
): readonly Told[] {
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
  const kept = memory.recall(name) as { readonly told: readonly Told[] } | undefined
  if (kept !== undefined) return kept.told

  const { bytes, isSame } = captured.read(place)
  const text = kind === 'prose' && !hasMark(bytes) ? undefined : textIn(bytes)
  const telling = tellingWalk(walk)
  if (text !== undefined) visitFile(telling, { place, section }, kind, text)
  const told = telling.told()
  if (sha256 === undefined || !isSame) return asRecalled(told)
  if (told.length > 0) return memory.keep(name, { told }).told
  memory.clean(look, sha256)
  return NOTHING
}

export function findInLink(
  captured: Captured,
  { place, placement, target }: CapturedFile,
  of: Omit<Walk, 'visit'>,
): readonly Told[] {
  const link = absoluteOf(captured.survey.layout, place)
  if (target === undefined || link === undefined) return NOTHING
  const walk = tellingWalk(of)
  visitLink(walk, { at: 'link target', section: placement.section }, link, target)
  return walk.told()
}
