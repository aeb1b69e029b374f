/** The databases that OpenClaw's lists are read from, as they lie in the live installation: a capture finds the same. */
import { placeOf } from '@ocm/protocol'
import type { DatabaseSource, FoundThing } from '../installation.port.ts'
import type { Located } from './layout.ts'
import { namedIn, statsOf } from './names.ts'
import { roleOf } from './rows.ts'
import { surveyOf } from './survey.ts'

export function liveDatabases(located: Located): readonly DatabaseSource[] {
  const survey = surveyOf(located)
  const found: FoundThing[] = []
  const seen = new Set<string>()
  const open: { readonly absolute: string; readonly kind: 'file' | 'directory' }[] = [
    ...survey.trees,
  ]
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    const { absolute, kind } = here
    const place = placeOf(survey.layout, absolute)
    if (place === undefined || seen.has(absolute)) continue
    seen.add(absolute)
    // Of a large node nearly all are of no role.
    const role = kind === 'file' ? roleOf(place) : undefined
    if (kind === 'file' && role !== 'state' && role !== 'agent') continue
    const placement = survey.classify(place, kind)
    if (!('section' in placement)) continue
    if (kind === 'file') {
      const stats = statsOf(absolute)
      if (stats?.isFile()) found.push({ place, placement, kind, size: stats.size })
      continue
    }
    for (const { name, kind: of } of namedIn(absolute)) {
      if (of !== undefined) open.push({ absolute: `${absolute}/${name}`, kind: of })
    }
  }
  return survey.separate(found).databases
}
