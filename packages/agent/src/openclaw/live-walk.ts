/** The databases of the live installation, for who does not capture it. */
import { lstatSync, readdirSync } from 'node:fs'
import { pathFromBytes, pathToBytes, placeOf } from '@ocm/protocol'
import type { DatabaseSource, FoundThing } from '../installation.port.ts'
import { errno } from './errno.ts'
import type { Located } from './layout.ts'
import { surveyOf } from './survey.ts'

export function liveDatabases(located: Located): readonly DatabaseSource[] {
  const survey = surveyOf(located)
  const found: FoundThing[] = []
  const seen = new Set<string>()
  const open = survey.trees.map(({ absolute }) => absolute)
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    const place = placeOf(survey.layout, here)
    if (place === undefined || seen.has(here)) continue
    seen.add(here)
    const stats = onDisk(here, (path) => lstatSync(path))
    const kind = stats?.isFile() ? 'file' : stats?.isDirectory() ? 'directory' : undefined
    if (stats === undefined || kind === undefined) continue
    const placement = survey.classify(place, kind)
    if (!('section' in placement)) continue
    found.push({ place, placement, kind, size: stats.size })
    if (kind === 'file') continue
    const names = onDisk(here, (path) => readdirSync(path, { encoding: 'buffer' })) ?? []
    for (const name of names) open.push(`${here}/${pathFromBytes(name)}`)
  }
  return survey.separate(found).databases
}

/** Undefined for what is gone or closed to us: a capture notes it. */
function onDisk<T>(absolute: string, call: (path: Buffer) => T): T | undefined {
  try {
    return call(Buffer.from(pathToBytes(absolute)))
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(errno(error) ?? '')) return undefined
    throw error
  }
}
