/** Changes a staged tree in place so that it is at home where it is going to live. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import {
  type PlacedPath,
  absoluteOf,
  changesNothing,
  pathFromBytes,
  pathToBytes,
  placeOf,
  rewritePath,
  rewritePort,
  rewriteText,
} from '@ocm/protocol'
import type { Rewritten, Staged } from '../installation.port.ts'
import { editsFor } from './edits.ts'
import { type SourceFile, configurationOf, visitFiles } from './file-strings.ts'
import { visitLink } from './link-strings.ts'
import { isAsItIsToBe, rewriteDatabase } from './rewriting-database.ts'
import { roleOf } from './rows.ts'
import type { Spot, Walk } from './strings.ts'

/**
 * Called by `Installation.rewrite`. A stage that was cut off in the middle is to be made anew: where old and new roots
 * lie inside one another, a second pass would rewrite what the first one wrote.
 */
export async function rewriteStaged(staged: Staged): Promise<Rewritten> {
  const changed: Record<string, number> = {}
  const count = (what: string, n: number) => {
    if (n > 0) changed[what] = (changed[what] ?? 0) + n
  }
  const walk = writerOf(staged, count)
  const files = filesOf(staged)
  const still = standsStill(staged)
  const looked = still ? configurationOf(files).map(({ file }) => file) : files
  visitFiles(looked, () => walk, editsFor(staged, files, count))
  for (const { absolute, kind, section } of staged.files) {
    const place = placeOf(staged.to, absolute)
    const was = place && absoluteOf(staged.from, place)
    if (place === undefined || was === undefined) continue
    if (kind === 'link' && !still)
      relink(staged.at(absolute), (target) =>
        visitLink(walk, { at: 'link target', section }, was, target),
      )
    const role = kind === 'database' ? roleOf(place) : undefined
    if (role === undefined) continue
    const { rules, choices } = staged
    const file = staged.at(absolute)
    if (still && isAsItIsToBe(file, role, choices, rules)) continue
    rewriteDatabase({ file, role, walk, rules, choices, count })
  }
  return { changed }
}

/** Where nothing goes anywhere else, only the configuration is read: what was just written is what it is to be. */
const standsStill = ({ rules, choices, from, port }: Staged): boolean =>
  choices.kind === 'restore' &&
  choices.gatewayToken === 'keep' &&
  port === from.port &&
  changesNothing(rules)

/** Mentions say what stands where; this says what is to stand there instead. */
function writerOf(staged: Staged, count: (what: string, n: number) => void): Walk {
  const { rules, choices, from } = staged
  const port = { from: from.port, to: staged.port }
  const rewrite = ({ kind, class: is, text, exact }: Spot): string => {
    switch (kind) {
      case 'path':
        if (is === 'prose' && !choices.prose) return text
        return exact ? rewritePath(text, rules) : rewriteText(text, rules)
      case 'port':
        return rewritePort(text, port)
      case 'host':
      case 'identity':
      case 'command':
        return text
    }
  }
  return {
    rules,
    hostname: from.hostname,
    port: from.port,
    visit(spot) {
      const became = rewrite(spot)
      if (became !== spot.text) count(`${spot.class} ${spot.kind}s`, 1)
      return became
    },
  }
}

function filesOf(staged: Staged): readonly SourceFile[] {
  return staged.files.flatMap(({ absolute, kind, section }) => {
    const place: PlacedPath | undefined = placeOf(staged.to, absolute)
    const was = place && absoluteOf(staged.from, place)
    if (kind !== 'file' || place === undefined || was === undefined) return []
    const file = onDisk(staged.at(absolute))
    const source: SourceFile = {
      place,
      absolute: was,
      section,
      get size() {
        return statSync(file).size
      },
      read: () => readFileSync(file),
      write: (text) => replace(file, text),
    }
    return [source]
  })
}

const onDisk = (path: string): Buffer => Buffer.from(pathToBytes(path))
const beside = (file: Buffer): Buffer =>
  Buffer.concat([file, Buffer.from(`.ocm-${randomBytes(6).toString('hex')}`)])

/** A new file in the old one's place, so that whatever else shares the old one's bytes keeps them. */
function replace(file: Buffer, text: string): void {
  const { mode } = statSync(file)
  const fresh = beside(file)
  const fd = openSync(fresh, 'wx', mode & 0o7777)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(fresh, file)
  syncDirectory(file)
}

function relink(path: string, change: (target: string) => string): void {
  const file = onDisk(path)
  const target = pathFromBytes(readlinkSync(file, { encoding: 'buffer' }))
  const became = change(target)
  if (became === target) return
  const fresh = beside(file)
  symlinkSync(onDisk(became), fresh)
  renameSync(fresh, file)
  syncDirectory(file)
}

function syncDirectory(file: Buffer): void {
  const fd = openSync(onDisk(dirname(pathFromBytes(file))), 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
