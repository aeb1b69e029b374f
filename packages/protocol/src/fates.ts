/** What becomes of each kind of thing when a snapshot is applied. */
import { type Manifest, type Section, type Travel, SECTIONS } from './manifest.ts'
import { hex } from './bytes.ts'
import { leavesApiKeys } from './choices.ts'
import type { Plan, PlanItem } from './plan.ts'
import { changesNothing } from './rewrite.ts'

type Part = Pick<Plan, 'kind' | 'choices' | 'rules' | 'port'>

/**
 * Whether something with this `travel` is written on the target. What belongs to one machine goes only back to it, and
 * only if everything lies where it lay.
 */
export function travels(plan: Pick<Plan, 'kind' | 'rules'>, travel: Travel): boolean {
  switch (travel) {
    case 'always':
      return true
    case 'identity':
      return plan.kind !== 'clone'
    case 'host':
      return plan.kind === 'restore' && changesNothing(plan.rules)
    case 'never':
      return false
  }
}

/** Names of holdings whose fate is not decided by how they travel alone. */
export const HOLDING = {
  cron: 'cron jobs',
  deviceIdentity: 'device identity',
  pushKeys: 'web push keys',
  gatewayToken: 'gateway token',
  apiKeys: 'API keys and tokens',
  configKeys: 'keys in the configuration',
  variableKeys: 'keys in variables',
  secretFiles: 'files of secrets',
  storedSecrets: 'stored secrets',
  unsureKeys: 'texts that may be secrets',
  unsent: 'messages not yet sent',
  unanswered: 'messages not yet answered',
  turns: 'interrupted turns',
  channelFiles: 'channel credentials',
} as const

/** Of providers: with a clone only where that is chosen. */
export const PROVIDER_KEYS: readonly string[] = [
  HOLDING.apiKeys,
  HOLDING.configKeys,
  HOLDING.variableKeys,
  HOLDING.secretFiles,
  HOLDING.storedSecrets,
]

/** Tells entries apart, and finds the one that a mention stands in. */
export const keyOf = ({ root, path }: { readonly root: string; readonly path: Uint8Array }) =>
  `${root}:${hex(path)}`

/** @param edited keys of the entries in which something is rewritten */
export function planItems(
  manifest: Manifest,
  plan: Part,
  edited: ReadonlySet<string>,
): readonly PlanItem[] {
  return [
    ...entryItems(manifest, plan, edited),
    ...manifest.holdings.map((holding) => holdingItem(holding, plan)),
  ]
}

function entryItems(
  manifest: Manifest,
  plan: Part,
  edited: ReadonlySet<string>,
): readonly PlanItem[] {
  const items = new Map<string, PlanItem>()
  for (const entry of manifest.entries) {
    if (entry.kind === 'directory') continue
    const what = entry.kind === 'database' ? 'databases' : 'files'
    const [fate, why] = travels(plan, entry.travel)
      ? edited.has(keyOf(entry))
        ? (['rewritten', 'paths-change'] as const)
        : (['kept', 'travels'] as const)
      : (['left-behind', STAYS[entry.travel]] as const)
    const key = `${entry.section} ${what} ${fate} ${why}`
    const so = items.get(key)
    items.set(key, {
      what,
      section: entry.section,
      count: (so?.count ?? 0) + 1,
      bytes: (so?.bytes ?? 0) + entry.size,
      fate,
      why,
    })
  }
  return [...items.values()].toSorted(
    (a, b) =>
      SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section) || (nameOf(a) < nameOf(b) ? -1 : 1),
  )
}

const nameOf = ({ what, fate, why }: PlanItem) => `${what} ${fate} ${why}`

/** Why something is left behind, by how it travels. Short names: the client says them in its own language. */
const STAYS: Readonly<Record<Travel, string>> = {
  always: 'travels',
  identity: 'one-of-a-kind',
  host: 'of-this-machine',
  never: 'made-anew',
}

function holdingItem(holding: Manifest['holdings'][number], plan: Part): PlanItem {
  const [fate, why] = fateOfHolding(holding, plan)
  const section: Section = holding.section
  return { what: holding.what, section, count: holding.count, bytes: 0, fate, why }
}

function fateOfHolding(
  { what, travel }: Manifest['holdings'][number],
  plan: Part,
): readonly [PlanItem['fate'], string] {
  switch (what) {
    case HOLDING.gatewayToken:
      return plan.choices.gatewayToken === 'new' ? ['made-new', 'chosen'] : ['kept', 'travels']
    case HOLDING.apiKeys:
    case HOLDING.configKeys:
    case HOLDING.variableKeys:
    case HOLDING.secretFiles:
    case HOLDING.storedSecrets:
      return leavesApiKeys(plan.choices) ? ['left-behind', 'chosen'] : ['kept', 'travels']
    case HOLDING.deviceIdentity:
    case HOLDING.pushKeys:
      return plan.kind === 'clone' ? ['made-new', STAYS.identity] : ['kept', 'travels']
    case HOLDING.turns:
      // After a move nobody else takes them up; otherwise somebody has, or still does.
      return plan.kind === 'move' ? ['kept', 'taken-up'] : ['left-behind', 'ended-elsewhere']
    case HOLDING.unanswered:
    case HOLDING.unsent:
      // Only after a move is it certain that nobody else sends them, or has sent them since.
      return plan.kind === 'move' ? ['kept', 'travels'] : ['left-behind', 'sent-since']
    case HOLDING.cron:
      if (plan.choices.cron === 'disabled') return ['disabled', 'chosen']
      return changesNothing(plan.rules) ? ['kept', 'travels'] : ['rewritten', 'paths-change']
    default:
      return travels(plan, travel) ? ['kept', 'travels'] : ['left-behind', STAYS[travel]]
  }
}
