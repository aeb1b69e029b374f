/** Writes a snapshot's files below an empty directory, as they were or as they are to be in another home. */
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type ErrandEvent,
  type FetchRange,
  type Layout,
  type Manifest,
  OcmError,
  type Plan,
  type Primitives,
  type TargetFacts,
  type WriteErrand,
  type WriteResult,
  defaultChoices,
  isWithin,
  layoutUnder,
  planApply,
} from '@ocm/protocol'
import { type Placed, checkSpace, placeEntries } from '../apply/units.ts'
import type { Installation } from '../installation.port.ts'
import { type Damage, readInto } from '../reading/read-into.ts'
import { isDamage, manifestOf, openSource, spelled } from './source.ts'

export interface WriteParts {
  readonly p: Primitives
  readonly ask: FetchRange
  readonly rewrite: Installation['rewrite']
  tell(event: ErrandEvent): Promise<void>
}

const TELL_BYTES = 8 * 1024 * 1024

/**
 * What fails leaves nothing behind.
 * @throws OcmError 'target-not-empty', 'snapshot-damaged', 'disk-full', 'plan-blocked'
 */
export async function writeSnapshot(
  parts: WriteParts,
  { source, to, home, sections, partial }: WriteErrand,
): Promise<WriteResult> {
  const { p, tell } = parts
  const opened = openSource(p, source, parts.ask)
  const { manifest, lostPages } = await manifestOf(opened.packs, partial)
  const plan = home === null ? asItWas(manifest) : planFor(p, manifest, home)
  const chosen = { ...manifest, entries: manifest.entries.filter(isChosen(sections)) }
  const placed = home === null ? everything(chosen) : placeEntries(chosen, plan)
  await makeRoom(to)
  await checkSpace([{ target: '', live: to, stage: to, before: to }], placed)

  const total = placed.reduce((sum, { entry }) => sum + entry.size, 0)
  let done = 0
  let told = 0
  const progress = (bytes: number) => {
    done += bytes
    if (done - told < TELL_BYTES) return
    told = done
    // Who does not take it in any more is found out by the result.
    tell({ kind: 'progress', phase: 'writing', done, total }).catch(() => undefined)
  }
  let written = placed
  let rewritten: WriteResult['rewritten'] = {}
  const change = async (damages: readonly Damage[]) => {
    const lost = new Set(damages.map(({ entry }) => entry))
    written = placed.filter(({ entry }) => !lost.has(entry))
    if (home !== null) rewritten = await rewrite(parts, manifest, plan, written, to)
  }
  const items = placed.map(({ absolute, entry }) => ({ path: absolute.slice(1), entry }))
  const packs = { packs: opened.root.packs, fetch: opened.fetch, openerOf: opened.openerOf }
  try {
    const damages = await readInto(p, packs, items, to, { partial, progress, change })
    return {
      files: written.filter(({ entry }) => entry.kind !== 'directory').length,
      bytes: written.reduce((sum, { entry }) => sum + entry.size, 0),
      lost: [
        ...lostPages.map(({ page, error }) => ({ place: `page ${page}`, code: error.code })),
        ...damages.map(({ entry, code }) => ({ place: spelled(entry), code })),
      ],
      roots: Object.fromEntries(plan.roots.map(({ root, to: at }) => [root, at])),
      rewritten,
      findings: plan.findings.filter(({ code }) => code === 'root-stays'),
    }
  } catch (error) {
    const files = isDamage(error) ? error.facts['count'] : undefined
    throw files === undefined
      ? error
      : new OcmError('snapshot-damaged', { files }, { cause: error })
  }
}

const isChosen =
  (sections: WriteErrand['sections']) =>
  ({ section }: Manifest['entries'][number]): boolean =>
    sections === null || sections.includes(section)

type Placing = Pick<Plan, 'kind' | 'roots' | 'rules' | 'findings' | 'choices' | 'port'>

function asItWas({ layout }: Manifest): Placing {
  const choices = defaultChoices('restore')
  return {
    kind: 'restore',
    choices,
    roots: Object.entries(layout.roots).map(([root, at]) => ({ root, from: at, to: at })),
    rules: [],
    port: { from: layout.port, to: layout.port },
    findings: [],
  }
}

/** All of it, what a restore would leave behind too. */
function everything(manifest: Manifest): readonly Placed[] {
  const always = manifest.entries.map((entry) => ({ ...entry, travel: 'always' as const }))
  const placed = placeEntries({ entries: always }, asItWas(manifest))
  const entries = new Map(manifest.entries.map((entry) => [spelled(entry), entry]))
  return placed.map((one) => ({ ...one, entry: entries.get(spelled(one.entry)) ?? one.entry }))
}

/** As a move to a machine on which nothing is but that home. */
function planFor(p: Primitives, manifest: Manifest, home: string): Placing {
  const { layout } = manifest
  const was = layout.roots as { home: string; state: string }
  const state = isWithin(was.home, was.state) ? home + was.state.slice(was.home.length) : was.state
  const there: Layout = { ...layout, roots: { home, state } }
  const facts: TargetFacts = {
    layout: there,
    occupied: false,
    freeBytes: {},
    gateway: { kind: 'none', running: false },
    portsInUse: [],
    fenced: false,
    readOnlyConfig: false,
  }
  const node = '00'.repeat(16)
  const plan = planApply(p, manifest, facts, defaultChoices('move'), {
    source: node,
    target: 'ff'.repeat(16),
  })
  const wrong = plan.findings.find(({ code }) => UNPLACED.has(code))
  if (wrong) throw new OcmError('plan-blocked', { why: wrong.code })
  return plan
}

/** Blockers that are about where things go; what is wrong with a machine is a matter of the machine it is put on. */
const UNPLACED: ReadonlySet<string> = new Set(['root-invalid', 'roots-collide'])

/** @throws OcmError 'target-not-empty' */
async function makeRoom(to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  try {
    if ((await readdir(to)).length > 0) throw new OcmError('target-not-empty')
    await rmdir(to)
  } catch (error) {
    if (error instanceof OcmError) throw error
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code !== 'ENOENT') throw new OcmError('target-not-empty', {}, { cause: error })
  }
}

async function rewrite(
  { rewrite: change, tell }: WriteParts,
  manifest: Manifest,
  plan: Placing,
  placed: readonly Placed[],
  to: string,
): Promise<Readonly<Record<string, number>>> {
  await tell({ kind: 'progress', phase: 'rewriting', done: 0, total: 1 })
  const layout = layoutUnder(plan, manifest.layout)
  const { changed } = await change({
    from: manifest.layout,
    to: layout,
    at: (absolute) => to + absolute,
    files: placed.flatMap(({ entry, absolute }) =>
      entry.kind === 'directory' ? [] : [{ absolute, kind: entry.kind, section: entry.section }],
    ),
    rules: plan.rules,
    choices: plan.choices,
    port: plan.port.to,
  })
  return changed
}
