/** What a capture would hand to `examine`: everything that a survey takes, read where it lies. */
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync, backup } from 'node:sqlite'
import { type PlacedPath, absoluteOf, placeOf } from '@ocm/protocol'
import { onTestFinished } from 'vitest'
import type {
  Captured,
  CapturedFile,
  DatabaseSource,
  FoundThing,
  Survey,
} from '../installation.port.ts'

export interface Capture extends Captured {
  /** What was asked for, in order: `root:path` of files and databases. */
  readonly asked: string[]
}

/** @param recall what an earlier examination gave to remember */
export async function captureOf(survey: Survey, recall?: Uint8Array): Promise<Capture> {
  const { databases, others } = survey.separate(foundIn(survey))
  const copies = await copiesOf(databases)
  const asked: string[] = []
  const entries = others.flatMap((one): readonly CapturedFile[] => {
    const { kind, place } = one
    if (kind === 'directory') return []
    const absolute = absoluteOf(survey.layout, place) as string
    return kind === 'link'
      ? [{ ...one, kind, target: readlinkSync(absolute) }]
      : [{ ...one, kind, sha256: hashOf(readFileSync(absolute)) }]
  })
  return {
    survey,
    recall,
    asked,
    entries: () => entries,
    databases: (async function* () {
      for (const source of databases) {
        const name = nameOf(source.place)
        yield { name, source, sha256: hashOf(readFileSync(copies.get(name) as string)) }
      }
    })(),
    openDatabase(place) {
      asked.push(nameOf(place))
      return Promise.resolve(copies.get(nameOf(place)))
    },
    read(place) {
      asked.push(nameOf(place))
      return { bytes: readFileSync(absoluteOf(survey.layout, place) ?? ''), isSame: true }
    },
  }
}

const nameOf = ({ root, path: below }: PlacedPath) => `${root}:${below}`

const hashOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

export function foundIn(survey: Survey): readonly FoundThing[] {
  const found: FoundThing[] = []
  const seen = new Set<string>()
  const walk = (absolute: string): void => {
    const stats = lstatSync(absolute)
    const place = placeOf(survey.layout, absolute)
    if (place === undefined || seen.has(absolute)) return
    seen.add(absolute)
    const kind = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'file'
    const placement = survey.classify(place, kind)
    if (!('section' in placement)) return
    found.push({ place, placement, kind, size: stats.size })
    if (kind === 'directory') {
      for (const name of readdirSync(absolute)) walk(path.join(absolute, name))
    }
  }
  for (const { absolute } of survey.trees) walk(absolute)
  return found
}

async function copiesOf(
  databases: readonly DatabaseSource[],
): Promise<ReadonlyMap<string, string>> {
  const directory = mkdtempSync(path.join(tmpdir(), 'ocm-copies-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const copies = new Map<string, string>()
  for (const { absolute, place } of databases) {
    const copy = path.join(directory, String(copies.size))
    if (existsSync(`${absolute}-wal`)) {
      const source = new DatabaseSync(absolute, { readOnly: true })
      await backup(source, copy)
      source.close()
    } else copyFileSync(absolute, copy)
    copies.set(nameOf(place), copy)
  }
  return copies
}
