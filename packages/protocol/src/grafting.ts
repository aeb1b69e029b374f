/**
 * What a choice of parts comes to on a target that keeps its own: what is taken, where it is put, and what is called
 * something else because its name is taken. Pure, like the plan it belongs to.
 */
import type { Choices } from './choices.ts'
import type { Manifest, Section } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { Finding, Graft, Renamed } from './plan.ts'
import { carry } from './carrying.ts'
import { valueAt } from './selection.ts'
import { type Holds, roomOf } from './ties.ts'

/** Sections that are made of parts which can be put beside others of their kind. */
export const GRAFTABLE: ReadonlySet<Section> = new Set([
  'personas',
  'cron',
  'skills',
  'credentials',
  'environment',
  'workspaces',
])
/** Their parts are taken one by one out of files that everything shares, and only the target knows which are new. */
const WITHIN_FILES: ReadonlySet<Section> = new Set(['credentials', 'environment'])

export interface Grafting {
  readonly graft: Graft
  /** What cannot be had, as blockers; what was decided, for people. */
  readonly findings: readonly Finding[]
}

/** @returns undefined when everything is chosen. */
export function graftOf(
  manifest: Manifest,
  facts: TargetFacts,
  choices: Choices,
): Grafting | undefined {
  if (choices.only === undefined) return undefined
  const holds = facts.holds ?? NOTHING
  const findings: Finding[] = []
  const asked = { manifest, holds, choices, findings }
  const sections = unique(choices.only.sections ?? [])
  for (const section of sections) {
    if (!GRAFTABLE.has(section)) findings.push(blocker('choice-unsupported', { section }))
  }
  const personas = personasOf(asked)
  const chosen = {
    personas,
    cron: cronOf(asked, new Set(personas.map(({ from }) => from))),
    config: configOf(asked),
    sections,
  }
  const { carried, kept } = carry(manifest, facts, choices, chosen)
  const graft: Graft = { ...chosen, carried, shared: sharedBy(manifest, chosen) }
  for (const name of kept) findings.push(keepsOwn(name))
  for (const { from, to } of [...chosen.personas, ...chosen.cron]) {
    if (from === to) continue
    findings.push({ code: 'graft-renamed', weight: 'notice', facts: { name: from, becomes: to } })
  }
  const replaced = choices.kind === 'clone' ? 0 : countReplaced(graft, holds)
  if (replaced > 0) {
    findings.push({ code: 'graft-replaces', weight: 'warning', facts: { count: replaced } })
  }
  const isNothing =
    [chosen.personas, chosen.cron, chosen.config, carried].every((parts) => parts.length === 0) &&
    !sections.some((section) => WITHIN_FILES.has(section))
  if (isNothing) findings.push(blocker('choice-empty'))
  return { graft, findings }
}

/**
 * Files are read for the parts that are in them, and their keys are granted for no others: a skill does not need the
 * database that holds every login. The gateway's own are needed for any part.
 */
function sharedBy(
  { ties = [] }: Manifest,
  { personas, cron, sections }: Pick<Graft, 'personas' | 'cron' | 'sections'>,
): readonly string[] {
  const taken = new Set<string>(['gateway', ...sections])
  if (personas.length > 0) taken.add('personas')
  if (cron.length > 0) taken.add('cron')
  return unique(
    ties.flatMap(({ part, what, name }) =>
      what === 'shared' && taken.has(part.name) ? [name] : [],
    ),
  )
}

const NOTHING: Holds = { inventory: null, config: null, ties: [], names: {} }

interface Asked {
  readonly manifest: Manifest
  readonly holds: Holds
  readonly choices: Choices
  readonly findings: Finding[]
}

const blocker = (code: string, facts: Finding['facts'] = {}): Finding => ({
  code,
  weight: 'blocker',
  facts,
})
const keepsOwn = (name: string): Finding => ({
  code: 'graft-keeps-own',
  weight: 'notice',
  facts: { name },
})

const unique = <T extends string>(names: Iterable<T>): T[] => [...new Set(names)].toSorted()

const takes = ({ choices }: Asked, section: Section) =>
  choices.only?.sections?.includes(section) === true

function personasOf(asked: Asked): readonly Renamed[] {
  const { manifest, holds, choices, findings } = asked
  const known = new Set(manifest.inventory?.personas ?? [])
  const ids = unique([
    ...(takes(asked, 'personas') ? known : []),
    ...(choices.only?.personas ?? []),
  ])
  for (const name of ids) {
    if (!known.has(name)) findings.push(blocker('choice-unknown', { what: 'persona', name }))
  }
  const rooms = unique(
    (manifest.ties ?? []).flatMap(({ part, what, name }) =>
      part.kind === 'persona' && what === 'directory' ? [roomOf(name)] : [],
    ),
  )
  const isTaken = (name: string) =>
    choices.kind === 'clone' &&
    (holds.inventory?.personas.includes(name) === true ||
      rooms.some((room) => holds.names[room]?.includes(name) === true))
  return rename(
    ids.filter((id) => known.has(id)),
    isTaken,
  )
}

function cronOf(asked: Asked, personas: ReadonlySet<string>): readonly Renamed[] {
  const { manifest, holds, choices, findings } = asked
  const jobs = (manifest.inventory?.cron ?? []).filter(({ user }) => user)
  const named = new Set(choices.only?.cron ?? [])
  for (const name of named) {
    if (jobs.some(({ id }) => id === name)) continue
    findings.push(blocker('choice-unknown', { what: 'cron', name }))
  }
  const taken = new Set((holds.inventory?.cron ?? []).map(({ id }) => id))
  const ids = jobs
    .filter(({ id, persona }) => takes(asked, 'cron') || named.has(id) || personas.has(persona))
    .map(({ id }) => id)
  return rename(unique(ids), (id) => choices.kind === 'clone' && taken.has(id))
}

/** What belongs to a section gives way to what a clone's target has; what was named by itself was meant. */
function configOf(asked: Asked): readonly string[] {
  const { manifest, holds, choices, findings } = asked
  const named = (choices.only?.config ?? []).filter((pointer) => {
    if (valueAt(manifest.config, pointer) !== undefined) return true
    findings.push(blocker('choice-unknown', { what: 'config', name: pointer }))
    return false
  })
  const ofSections = (manifest.ties ?? [])
    .filter(
      ({ part, way, what }) => part.kind === 'section' && way === 'brings' && what === 'config',
    )
    .filter(({ part }) => takes(asked, part.name as Section))
    .map(({ name }) => name)
    .filter((pointer) => valueAt(manifest.config, pointer) !== undefined)
    .filter((pointer) => {
      if (choices.kind !== 'clone' || valueAt(holds.config, pointer) === undefined) return true
      if (!named.includes(pointer)) findings.push(keepsOwn(pointer))
      return false
    })
  return unique([...named, ...ofSections])
}

/** `work-2`, `work-3`: the first that the target does not have and none of the others gets. */
function rename(ids: readonly string[], isTaken: (name: string) => boolean): readonly Renamed[] {
  const given = new Set(ids.filter((id) => !isTaken(id)))
  return ids.map((from) => {
    if (!isTaken(from)) return { from, to: from }
    let to = from
    for (let n = 2; isTaken(to) || given.has(to); n++) to = `${from.slice(0, NAME_MAX)}-${n}`
    given.add(to)
    return { from, to }
  })
}

/** So that a name that may be 64 letters long stays one. */
const NAME_MAX = 60

function countReplaced({ personas, cron, config }: Graft, holds: Holds): number {
  const jobs = new Set((holds.inventory?.cron ?? []).map(({ id }) => id))
  return (
    personas.filter(({ to }) => holds.inventory?.personas.includes(to)).length +
    cron.filter(({ to }) => jobs.has(to)).length +
    config.filter((pointer) => valueAt(holds.config, pointer) !== undefined).length
  )
}
