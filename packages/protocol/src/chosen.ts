/** The part of a snapshot that a graft takes, and where it goes: what the plan looks at instead of the whole. */
import { judgeCarried } from './carrying.ts'
import type { Choices } from './choices.ts'
import { judgeDangling } from './dangling.ts'
import { HOLDING, keyOf, travels } from './fates.ts'
import type { Grafting } from './grafting.ts'
import { isWithin, pathFromBytes } from './layout.ts'
import type { Blind, Entry, Holding, Manifest, Mention } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import type { PlacedRoot } from './placing.ts'
import type { Carried, Finding, Graft, Plan, RewriteRule } from './plan.ts'
import { isInPointer } from './selection.ts'
import { isTaken } from './ties.ts'

type Place = Pick<Entry, 'root' | 'path'>

/** Whether an entry is taken whole, with its directory. */
export const carriedWith = (graft: Graft, { root, path }: Place): Carried | undefined => {
  const inside = pathFromBytes(path)
  return graft.carried.findLast(
    (one) => one.root === root && (one.path === '' || isWithin(`/${one.path}`, `/${inside}`)),
  )
}

/** Whether parts are taken out of an entry, which is not put on the target itself. */
export const isShared = (graft: Graft, { root, path }: Place): boolean =>
  graft.shared.includes(`${root}:${pathFromBytes(path)}`)

/** Whether an entry is needed on the target, as itself or to take parts out of it. */
export const goesAlong = (
  plan: Pick<Plan, 'kind' | 'rules' | 'graft'>,
  entry: Pick<Entry, 'root' | 'path' | 'travel'>,
): boolean =>
  travels(plan, entry.travel) &&
  (plan.graft === undefined ||
    carriedWith(plan.graft, entry) !== undefined ||
    isShared(plan.graft, entry))

export function chosenOf(manifest: Manifest, graft: Graft): Manifest {
  const entries = manifest.entries.filter(
    (entry) => carriedWith(graft, entry) !== undefined || isShared(graft, entry),
  )
  const taken = new Set(entries.map(keyOf))
  const { plugins, blind, ...rest } = manifest
  const own = plugins?.filter(({ path }) => graft.carried.some(({ was }) => isWithin(was, path)))
  return {
    ...rest,
    ...(own && own.length > 0 ? { plugins: own } : {}),
    ...(blind ? { blind: blindIn(blind, manifest, graft) } : {}),
    entries,
    omissions: manifest.omissions.filter((one) => carriedWith(graft, one) !== undefined),
    mentions: manifest.mentions.filter(
      (mention) =>
        taken.has(keyOf(mention)) &&
        (carriedWith(graft, mention) !== undefined || isOfParts(manifest, graft, mention)),
    ),
    holdings: holdingsOf(manifest, graft),
    warnings: [],
  }
}

/** What is read on the target and not put there, is none of the things that are shown. */
export const withoutShared = (manifest: Manifest, graft: Graft): Manifest => ({
  ...manifest,
  entries: manifest.entries.filter((entry) => carriedWith(graft, entry) !== undefined),
})

/** Of a file that many parts share: whether a mention stands in one that is taken, by what it says of where. */
function isOfParts(manifest: Manifest, graft: Graft, { at, section }: Mention): boolean {
  if (section === 'cron' && !at.startsWith('/')) {
    return graft.cron.some(({ from }) => isNamedIn(at, from))
  }
  return isInConfig(manifest, graft, at)
}

/** Whether a place in the configuration is chosen, by itself or with a persona. */
function isInConfig({ ties = [] }: Manifest, graft: Graft, at: string): boolean {
  const pointers = [
    ...graft.config,
    ...ties.flatMap((tie) =>
      tie.part.kind === 'persona' &&
      tie.way === 'brings' &&
      tie.what === 'config' &&
      isTaken(tie, graft)
        ? [tie.name]
        : [],
    ),
  ]
  return pointers.some((pointer) => isInPointer(pointer, at))
}

/** Of more than are told by name nobody knows where they lie: they may be in what is taken. */
function blindIn(blind: Blind, manifest: Manifest, graft: Graft): Blind {
  const first = blind.first.filter((one) => carriedWith(graft, one) !== undefined)
  const more = graft.carried.length > 0 ? blind.texts - blind.first.length : 0
  return {
    ...blind,
    fields: blind.fields.filter(({ at }) => isInConfig(manifest, graft, at)),
    texts: first.length + more,
    first,
  }
}

/** As a whole word, or several: another job's id may begin with this one's. */
const isNamedIn = (at: string, id: string): boolean => ` ${at} `.includes(` ${id} `)

/** What parts bring of logins and keys is counted as in a whole; which of a section's are new, only the target knows. */
function holdingsOf({ ties = [] }: Manifest, graft: Graft): Holding[] {
  const { personas, cron, config } = graft
  const brought = ties.filter((tie) => tie.way === 'brings' && isTaken(tie, graft))
  const accounts = brought.filter(({ what }) => what === 'credential')
  const logins = accounts.filter(({ identity }) => identity === true).length
  const stored = brought.filter(({ what, part }) => what === 'secrets' && part.kind === 'section')
  const lines = [
    ['personas', 'personas', 'always', personas.length],
    [HOLDING.cron, 'cron', 'always', cron.length],
    ['configuration parts', 'gateway', 'always', config.length],
    [HOLDING.apiKeys, 'credentials', 'always', accounts.length - logins],
    ['OAuth logins', 'credentials', 'identity', logins],
    [HOLDING.storedSecrets, 'credentials', 'always', stored.length],
  ] as const
  return lines.flatMap(([what, section, travel, count]) =>
    count === 0 ? [] : [{ what, section, travel, count }],
  )
}

/** Home and state are where the target has them; of the rest, what is carried alone. */
export function placeGraft(
  manifest: Manifest,
  { layout }: Pick<TargetFacts, 'layout'>,
  { carried }: Graft,
): readonly PlacedRoot[] {
  const fixed = ['home', 'state'].map((root): PlacedRoot => {
    const from = manifest.layout.roots[root] ?? ''
    return { root, from, to: layout.roots[root] ?? from, by: 'target' }
  })
  const roots = carried.filter(({ path }) => path === '')
  return [
    ...fixed,
    ...roots.map(({ root, was, to }): PlacedRoot => {
      return { root, from: was, to, by: was === to ? 'same' : 'relative' }
    }),
  ]
}

/** Directories that are called something else are rules beside those of the roots. */
export const rulesOf = ({ carried }: Graft): readonly RewriteRule[] =>
  carried.flatMap(({ root, path, was, to }) => (path === '' ? [] : [{ root, was, becomes: to }]))

const blocker = (code: string, facts: Finding['facts'] = {}): Finding => ({
  code,
  weight: 'blocker',
  facts,
})

export function judgeGraft(
  manifest: Manifest,
  facts: TargetFacts,
  choices: Choices,
  { graft, findings }: Grafting,
): readonly Finding[] {
  const here = facts.layout.versions.schemas['state']
  const theirs = manifest.layout.versions.schemas['state']
  return [
    ...findings,
    ...(choices.kind === 'move' ? [blocker('choice-of-a-move')] : []),
    ...(facts.occupied ? [] : [blocker('graft-target-empty')]),
    ...(facts.occupied && facts.holds === undefined ? [blocker('graft-target-unknown')] : []),
    // Rows are put among rows: they have to be of one kind.
    ...(here === theirs
      ? []
      : [blocker('graft-schema-differs', { here: here ?? 0, theirs: theirs ?? 0 })]),
    ...judgeCarried(graft, facts),
    ...judgeDangling(manifest, facts, graft, choices),
  ]
}
