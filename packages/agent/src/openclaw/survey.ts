/** What belongs to the installation right now: roots to walk, and the meaning of every path met on the way. */
import { type PlacedPath, absoluteOf, isWithin, marksOf, rulesBetween } from '@ocm/protocol'
import type { Placement, Survey } from '../installation.port.ts'
import type { Extra } from './extras.ts'
import { kindOf } from './file-strings.ts'
import { type Located, isDirectory } from './layout.ts'
import { separate } from './separate.ts'
import { sourceOf } from './sources.ts'

type Meaning = ReturnType<Survey['classify']>

/** Left by an apply that was cut off. */
const OWN_LEFTOVER = /(?:^|\/)[^/]*\.ocm-[^/]*(?:\/|$)/

export function surveyOf(located: Located): Survey {
  const { layout, warnings } = located
  const meaningOf = meanings(located)
  return {
    layout,
    trees: treesOf(located),
    warnings,
    classify: (place) => meaningOf(place),
    separate: (found) => separate(located, found),
    marks: marksOf(rulesBetween(layout, layout)),
    isWords: ({ place, placement: { section }, size }) =>
      kindOf({ place, section, size }) === 'prose',
  }
}

/** Those that are there, outermost first. */
function treesOf({ where, workspaces, extras }: Located): Survey['trees'] {
  const directories = [
    { root: 'state', absolute: where.state },
    ...workspaces.map(({ root, absolute }) => ({ root, absolute })),
  ]
  const trees: Survey['trees'] = [
    ...directories
      .filter(({ absolute }) => isDirectory(absolute))
      .map((one) => ({ ...one, kind: 'directory' as const })),
    ...extras.map(({ root, absolute, kind }) => ({ root, absolute, kind })),
  ]
  return trees.toSorted((a, b) => a.absolute.length - b.absolute.length)
}

const CONFIGURATION: Placement = { section: 'gateway', class: 'secret', travel: 'always' }

function meanings({ where, config, workspaces, extras, secrets, layout }: Located) {
  const byRoot = new Map<string, Pick<Extra, 'placement' | 'like'>>([
    ['state', { placement: { section: 'gateway', class: 'state', travel: 'always' }, like: '' }],
    ...workspaces.map(
      ({ root, persona }) =>
        [
          root,
          { placement: { section: 'workspaces', class: 'bulk', travel: 'always', persona } },
        ] as const,
    ),
    ...extras.map((extra) => [extra.root, extra] as const),
  ])
  const configFiles = new Set(config.files)
  const special = [where.agentState, ...configFiles, ...secrets.map(({ absolute }) => absolute)]
  const secretPlaces = secrets.map(({ absolute, section, travel }) => ({
    absolute,
    placement: { section, class: 'secret', travel } satisfies Placement,
  }))
  /** Roots in which everything is of the same kind: of a large workspace, nearly all that is asked. */
  const plain = new Map<string, Placement>()
  for (const [root, { placement, like }] of byRoot) {
    const top = layout.roots[root]
    if (top === undefined || like !== undefined) continue
    if (!special.some((one) => isWithin(top, one) || isWithin(one, top))) plain.set(root, placement)
  }
  return (place: PlacedPath): Meaning => {
    if (place.path.includes('.ocm-') && OWN_LEFTOVER.test(place.path)) return { skip: true }
    const same = plain.get(place.root)
    if (same !== undefined) return same
    const absolute = absoluteOf(layout, place)
    if (absolute === undefined || isWithin(where.agentState, absolute)) return { skip: true }
    if (configFiles.has(absolute)) return CONFIGURATION
    const root = byRoot.get(place.root)
    if (root === undefined) return { skip: true }
    const secret = secretPlaces.find((one) => isWithin(one.absolute, absolute))
    if (secret !== undefined) return secret.placement
    if (root.like === undefined) return root.placement
    const path = [root.like, place.path].filter((part) => part !== '').join('/')
    const source = path === root.like ? root.placement : sourceOf(path)
    return source === 'regenerable' ? { omit: 'regenerable' } : source
  }
}
