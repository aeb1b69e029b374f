/** What speaks against a plan, and what people should know before they approve it. */
import { isWithin } from './layout.ts'
import { leavesApiKeys } from './choices.ts'
import { HOLDING, PROVIDER_KEYS, travels } from './fates.ts'
import type { Manifest } from './manifest.ts'
import type { TargetFacts } from './orders.ts'
import { type PlacedRoot, judgePlacement } from './placing.ts'
import type { Finding, Plan } from './plan.ts'
import { findingsOf } from './reporting.ts'
import { changesNothing } from './rewrite.ts'
import { judgeVersions } from './skew.ts'

export interface Judged extends Pick<
  Plan,
  'kind' | 'choices' | 'rules' | 'port' | 'edits' | 'reports' | 'bytes'
> {
  readonly manifest: Manifest
  readonly facts: TargetFacts
  readonly between: { readonly source: string; readonly target: string }
  readonly placed: readonly PlacedRoot[]
}

/** Blockers first; within a weight in the order of the rules below. */
export const judge = (judged: Judged): readonly Finding[] =>
  inOrderOfWeight(RULES.flatMap((rule) => rule(judged)))

export const inOrderOfWeight = (findings: readonly Finding[]): readonly Finding[] =>
  findings.toSorted((a, b) => WEIGHTS.indexOf(a.weight) - WEIGHTS.indexOf(b.weight))

const WEIGHTS: readonly Finding['weight'][] = ['blocker', 'warning', 'notice']

const blocker = (code: string, facts: Finding['facts'] = {}): Finding => ({
  code,
  weight: 'blocker',
  facts,
})
const warning = (code: string, facts: Finding['facts'] = {}): Finding => ({
  code,
  weight: 'warning',
  facts,
})
const notice = (code: string, facts: Finding['facts'] = {}): Finding => ({
  code,
  weight: 'notice',
  facts,
})
const counted = <T>(of: readonly T[], finding: (facts: { readonly count: number }) => Finding) =>
  of.length === 0 ? [] : [finding({ count: of.length })]

const countOf = ({ holdings }: Manifest, names: readonly string[]): number =>
  holdings.filter(({ what }) => names.includes(what)).reduce((sum, { count }) => sum + count, 0)

const RULES: readonly ((judged: Judged) => readonly Finding[])[] = [
  ({ kind, between: { source, target } }) => {
    if (kind === 'restore') return source === target ? [] : [blocker('snapshot-foreign')]
    return source === target ? [blocker('same-node')] : []
  },
  ({ manifest, facts, choices }) => judgeVersions(manifest.layout, facts.layout, choices),
  ({ placed, choices }) => judgePlacement(placed, choices),
  newNeighbours,
  sharedRoots,
  diskSpace,
  ({ port, facts }) =>
    facts.portsInUse.includes(port.to) ? [blocker('port-taken', { port: port.to })] : [],
  ({ facts }) => (facts.readOnlyConfig ? [blocker('config-read-only')] : []),
  // Allowed, because it is how a node that was moved away comes back; but two might speak.
  ({ facts }) => (facts.fenced ? [warning('target-fenced')] : []),
  ({ facts, kind, choices }) =>
    facts.occupied && kind !== 'restore' && !choices.only ? [warning('target-occupied')] : [],
  untried,
  ({ manifest, choices }) => {
    const count = countOf(manifest, PROVIDER_KEYS)
    return count > 0 && leavesApiKeys(choices) ? [notice('api-keys-left', { count })] : []
  },
  // What is left out by name can be missed by a name that says nothing.
  ({ manifest, choices }) => {
    const count = countOf(manifest, [HOLDING.unsureKeys])
    return count > 0 && leavesApiKeys(choices) ? [warning('secrets-unsure', { count })] : []
  },
  ({ facts }) => (facts.gateway.kind === 'none' ? [notice('gateway-not-managed')] : []),
  ({ manifest, facts }) =>
    manifest.layout.platform === facts.layout.platform
      ? []
      : [
          warning('platform-differs', {
            from: manifest.layout.platform,
            to: facts.layout.platform,
          }),
        ],
  ({ manifest, kind, rules }) => {
    const unstable = manifest.entries.filter(
      (entry) => entry.unstable && travels({ kind, rules }, entry.travel),
    )
    return counted(unstable, (facts) => warning('entries-unstable', facts))
  },
  ({ manifest }) =>
    counted(
      manifest.omissions.filter(({ why }) => why === 'unreadable'),
      (facts) => warning('entries-unreadable', facts),
    ),
  ({ manifest }) => counted(manifest.warnings, (facts) => warning('capture-warnings', facts)),
  ({ manifest }) => (manifest.inventory ? [] : [warning('inventory-missing')]),
  // Keys that were used up since the snapshot: the other side of the conversation has gone on.
  ({ manifest, kind }) => {
    if (kind !== 'restore') return []
    const held = manifest.holdings.some((h) => h.what === HOLDING.channelFiles && h.count > 0)
    const files = manifest.entries.some(
      (e) => e.section === 'channels' && e.travel === 'identity' && e.kind !== 'directory',
    )
    return held || files ? [warning('channel-ratchets')] : []
  },
  elsewhere,
  ({ manifest, kind, rules }) =>
    manifest.blind?.unasked && !(kind === 'restore' && changesNothing(rules))
      ? [notice('schema-unasked')]
      : [],
  ({ edits }) =>
    counted(
      edits.filter((edit) => edit.class === 'unknown'),
      (facts) => warning('unknown-paths', facts),
    ),
  ({ edits }) =>
    counted(
      edits.filter(({ done }) => !done),
      (facts) => notice('prose-left', facts),
    ),
]

/** Mentions that no rule changes and that may mean something else on another machine. */
function elsewhere({ manifest, rules, facts, kind, reports }: Judged): readonly Finding[] {
  const sameMachine = kind === 'restore' || manifest.layout.hostname === facts.layout.hostname
  const told = findingsOf(reports)
  if (sameMachine && changesNothing(rules)) return told.filter(({ code }) => !IS_SAME.has(code))
  // What has to be there is told by itself.
  const outside = manifest.mentions.filter((m) => m.kind === 'path' && m.under === '' && !m.needed)
  const first = outside[0]?.text ?? ''
  return [...told, ...counted(outside, (f) => notice('paths-outside', { ...f, first }))]
}

/** On the same machine these are what they were. */
const IS_SAME: ReadonlySet<string> = new Set([
  'host-names',
  'localhost-urls',
  'localhost-silent',
  'ports-in-use',
  'paths-unchecked',
  'texts-unscanned',
  'fields-unknown',
])

/** A restore has run here before. Chosen parts have no gateway of their own that could be started. */
const isTried = ({ kind, choices }: Pick<Judged, 'kind' | 'choices'>): boolean =>
  kind !== 'restore' && !choices.only && choices.trial !== false

function untried(judged: Judged): readonly Finding[] {
  const { kind, choices, facts } = judged
  if (!isTried(judged)) return kind === 'restore' || choices.only ? [] : [warning('trial-skipped')]
  if (!facts.trial) return [warning('trial-missing')]
  return facts.trial.isolated ? [] : [warning('trial-not-isolated')]
}

/** A root that comes to lie inside another, where the other already has something of that name. */
function newNeighbours({ placed, manifest }: Judged): readonly Finding[] {
  return placed.flatMap((inner) =>
    placed
      .filter((outer) => outer.to !== inner.to && outer.from !== inner.from)
      .filter((outer) => isWithin(outer.to, inner.to) && !isWithin(outer.from, inner.from))
      .filter((outer) => {
        const name = inner.to.slice(outer.to.length + 1)
        const taken = new TextEncoder().encode(name)
        return manifest.entries.some(
          ({ root, path }) =>
            root === outer.root &&
            path.length >= taken.length &&
            taken.every((byte, i) => path[i] === byte) &&
            (path.length === taken.length || path[taken.length] === 0x2f),
        )
      })
      .map((outer) =>
        blocker('roots-collide', { root: inner.root, other: outer.root, path: inner.to }),
      ),
  )
}

/** Two nodes of one machine: a clone that is put where its source lies would take the source's own files away. */
function sharedRoots({ kind, manifest, facts, placed }: Judged): readonly Finding[] {
  if (kind !== 'clone' || manifest.layout.hostname !== facts.layout.hostname) return []
  const theirs = new Set(Object.values(manifest.layout.roots))
  return placed
    .filter(({ to }) => theirs.has(to))
    .map(({ root, to }) => blocker('root-shared', { root, path: to }))
}

/** Two measurements of one filesystem differ by what was written in between. */
const SAME_DISK_BYTES = 64 * 1024 * 1024
/** Kept free for the journal, for what is fetched but not yet written, and for names. */
const RESERVE_BYTES = 64 * 1024 * 1024

/**
 * The live tree stays until the new one runs, so the new one needs room beside it; a database needs as much again
 * while its rows are rewritten. What is tried is copied once more, beside the state directory. Roots with as much free
 * space as each other are taken to share a disk.
 */
function diskSpace(judged: Judged): readonly Finding[] {
  const { manifest, facts, placed, kind, rules } = judged
  const needed = new Map<string, number>()
  for (const entry of manifest.entries) {
    if (!travels({ kind, rules }, entry.travel)) continue
    const bytes = entry.size * (entry.kind === 'database' ? 2 : 1)
    needed.set(entry.root, (needed.get(entry.root) ?? 0) + bytes)
  }
  if (isTried(judged)) needed.set('state', (needed.get('state') ?? 0) + judged.bytes)
  const disks: { free: number; need: number; root: string }[] = []
  for (const { root, to } of placed) {
    const free = freeAt(facts, to)
    if (free === undefined) continue
    const disk = disks.find((known) => Math.abs(known.free - free) <= SAME_DISK_BYTES)
    const need = needed.get(root) ?? 0
    if (!disk) disks.push({ free, need, root })
    else {
      disk.need += need
      disk.free = Math.min(disk.free, free)
    }
  }
  return disks
    .map((disk) => ({ ...disk, need: disk.need === 0 ? 0 : disk.need + RESERVE_BYTES }))
    .filter(({ need, free }) => need > free)
    .map(({ need, free, root }) => blocker('disk-full', { needBytes: need, freeBytes: free, root }))
}

/** Free bytes where `path` will lie: of the deepest root of the target around it. */
function freeAt(facts: TargetFacts, path: string): number | undefined {
  const around = Object.entries(facts.layout.roots)
    .filter(([root, at]) => facts.freeBytes[root] !== undefined && isWithin(at, path))
    .toSorted(([, a], [, b]) => b.length - a.length)[0]
  return facts.freeBytes[around?.[0] ?? 'state'] ?? facts.freeBytes['home']
}
