/** What differs of the things that are counted and named: personas, cron jobs, plugins, conversations. */
import type { Inventory, Manifest, Section } from '@ocm/protocol'
import type { Comparison, ConfigChange, ListChange } from './changes.ts'
import { type Side, sideOf } from './portable.ts'
import { compareTrees } from './trees.ts'

type Sides = readonly [Side, Side]

/** Of things that are rows; the others are told by name, or are of one node alone. */
const COUNTED: ReadonlySet<string> = new Set([
  'stored secrets',
  'OAuth logins',
  'API keys and tokens',
  'files of secrets',
  'bot tokens',
  'exec approvals',
  'MCP logins',
])
/** Files that a channel renews by itself: it counts whether there are any. */
const THERE_OR_NOT = 'channel credentials'

export function compareLists(sides: Sides): {
  readonly lists: readonly ListChange[]
  readonly unknown: Comparison['unknown']
} {
  const [a, b] = [sides[0].manifest, sides[1].manifest]
  const unknown: Comparison['unknown'][number][] = []
  const lists: ListChange[] = [...version(a, b)]
  // One that could not be asked is not one that has nothing.
  if (a.inventory === null || b.inventory === null) unknown.push('inventory')
  else lists.push(...compareInventories(a.inventory, b.inventory, sides))
  lists.push(...compareHoldings(a, b))
  if (!a.views || !b.views) unknown.push('cron jobs', 'environment')
  else {
    lists.push(...variables(a.views.environment, b.views.environment, sides))
  }
  return { lists, unknown }
}

function version(a: Manifest, b: Manifest): readonly ListChange[] {
  const [before, after] = [a.layout.versions.openclaw, b.layout.versions.openclaw]
  if (before === after || before === '' || after === '') return []
  return [of('OpenClaw', 'gateway', '', before, after)]
}

function compareInventories(a: Inventory, b: Inventory, sides: Sides): readonly ListChange[] {
  const personas = [...new Set([...Object.keys(a.sessions), ...Object.keys(b.sessions)])].toSorted()
  return [
    ...names('personas', 'personas', a.personas, b.personas),
    ...cronJobs(a.cron, b.cron, sides),
    ...names('auth profiles', 'credentials', a.authProfiles, b.authProfiles),
    ...names('plugins', 'plugins', a.plugins, b.plugins),
    ...names('skills', 'skills', a.skills, b.skills),
    ...names('channels', 'channels', a.channels, b.channels),
    ...counted('pairings', 'channels', '', a.pairings, b.pairings),
    ...personas.flatMap((persona) =>
      counted(
        'conversations',
        'history',
        persona,
        a.sessions[persona]?.length ?? 0,
        b.sessions[persona]?.length ?? 0,
      ),
    ),
  ]
}

function heldIn({ holdings }: Manifest, what: string): number {
  const found = holdings.find((holding) => holding.what === what)?.count ?? 0
  return what === THERE_OR_NOT ? Math.min(found, 1) : found
}

function compareHoldings(a: Manifest, b: Manifest): readonly ListChange[] {
  const kinds = new Map(
    [...a.holdings, ...b.holdings]
      .filter(({ what }) => COUNTED.has(what) || what === THERE_OR_NOT)
      .map(({ what, section }) => [what, section]),
  )
  return [...kinds].flatMap(([what, section]) =>
    counted(what, section, '', heldIn(a, what), heldIn(b, what)),
  )
}

function names(
  what: string,
  section: Section,
  a: readonly string[],
  b: readonly string[],
): readonly ListChange[] {
  const only = (
    kind: 'added' | 'removed',
    these: readonly string[],
    those: readonly string[],
  ): ListChange[] =>
    these.filter((name) => !those.includes(name)).map((name) => ({ what, section, kind, name }))
  return [...only('removed', a, b), ...only('added', b, a)]
}

function variables(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
  sides: Sides,
): readonly ListChange[] {
  return compareTrees(a, b, sides).map(({ path: name, kind, ...values }) => ({
    what: 'variables',
    section: 'environment',
    kind,
    name,
    ...(kind === 'changed' ? { changes: [{ kind, path: '', ...values }] } : {}),
  }))
}

const counted = (
  what: string,
  section: Section,
  name: string,
  a: number,
  b: number,
): readonly ListChange[] => (a === b ? [] : [of(what, section, name, a, b)])

const of = (
  what: string,
  section: Section,
  name: string,
  before: unknown,
  after: unknown,
): ListChange => ({
  what,
  section,
  kind: 'changed',
  name,
  changes: [{ kind: 'changed', path: '', before, after }],
})

type Job = Inventory['cron'][number]

/** By id, which a move and a clone keep; else by name. OpenClaw's own jobs follow from the personas that are there. */
function cronJobs(a: readonly Job[], b: readonly Job[], sides: Sides): readonly ListChange[] {
  const [before, after] = [a.filter(({ user }) => user), b.filter(({ user }) => user)]
  const pairs = pairsOf(before, after)
  const paired = new Set(pairs.flat())
  const alone = (kind: 'added' | 'removed', jobs: readonly Job[]): ListChange[] =>
    jobs
      .filter((job) => !paired.has(job))
      .map(({ name }) => ({ what: 'cron jobs', section: 'cron', kind, name }))
  return [
    ...pairs.flatMap(([was, is]): ListChange[] => {
      const changes = jobChanges(was, is, sides)
      if (changes.length === 0) return []
      return [{ what: 'cron jobs', section: 'cron', kind: 'changed', name: is.name, changes }]
    }),
    ...alone('removed', before),
    ...alone('added', after),
  ]
}

function pairsOf(a: readonly Job[], b: readonly Job[]): readonly (readonly [Job, Job])[] {
  const pairs: (readonly [Job, Job])[] = []
  const left = new Set(b)
  const pair = (jobs: readonly Job[], key: 'id' | 'name') =>
    jobs.filter((job) => {
      const fitting = [...left].filter((other) => other[key] === job[key])
      const [twin] = fitting
      if (twin === undefined || fitting.length > 1) return true
      left.delete(twin)
      pairs.push([job, twin])
      return false
    })
  pair(pair(a, 'id'), 'name')
  return pairs
}

function jobChanges(was: Job, is: Job, sides: Sides): readonly ConfigChange[] {
  const defined = (side: Side, { id }: Job) => side.manifest.views?.cron[id]
  const [a, b] = [defined(sides[0], was), defined(sides[1], is)]
  if (a !== undefined && b !== undefined) {
    const enabled = compareTrees({ enabled: was.enabled }, { enabled: is.enabled }, sides)
    const rest = compareTrees(a, b, sides)
    return rest.some(({ path }) => path === 'enabled') ? rest : [...enabled, ...rest]
  }
  const known = ({ name, enabled, persona, schedule }: Job) => ({
    name,
    enabled,
    persona,
    schedule,
  })
  return compareTrees(known(was), known(is), sides)
}

export const sidesOf = (a: Manifest, b: Manifest): Sides => [sideOf(a), sideOf(b)]
