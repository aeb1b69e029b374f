/** What a capture would hand to `examine`: everything that a survey takes, read where it lies. */
import { lstatSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync, backup } from 'node:sqlite'
import { absoluteOf, placeOf } from '@ocm/protocol'
import { onTestFinished } from 'vitest'
import type { Captured, Survey } from '../installation.port.ts'

export async function captureOf(survey: Survey): Promise<Captured> {
  const entries: Captured['entries'][number][] = []
  const seen = new Set<string>()
  const walk = (absolute: string): void => {
    const stats = lstatSync(absolute)
    const place = placeOf(survey.layout, absolute)
    if (place === undefined || seen.has(absolute)) return
    seen.add(absolute)
    const kind = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'file'
    const meaning = survey.classify(place, kind)
    if (!('section' in meaning)) return
    if (kind !== 'directory') {
      const target = kind === 'link' ? { target: readlinkSync(absolute) } : {}
      entries.push({ place, kind, placement: meaning, size: stats.size, ...target })
    } else for (const name of readdirSync(absolute)) walk(path.join(absolute, name))
  }
  for (const { absolute } of survey.trees) walk(absolute)
  return {
    survey,
    entries,
    databaseCopies: await copiesOf(survey),
    read: (place) => readFileSync(absoluteOf(survey.layout, place) ?? ''),
  }
}

async function copiesOf({ databases }: Survey): Promise<ReadonlyMap<string, string>> {
  const directory = mkdtempSync(path.join(tmpdir(), 'ocm-copies-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const copies = new Map<string, string>()
  for (const { absolute, place } of databases) {
    const copy = path.join(directory, String(copies.size))
    const source = new DatabaseSync(absolute, { readOnly: true })
    await backup(source, copy)
    source.close()
    copies.set(`${place.root}:${place.path}`, copy)
  }
  return copies
}
