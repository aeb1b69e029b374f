/** Writes a snapshot's files below an empty directory, as they were or as they are to be in another home. */
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type ErrandEvent,
  type FetchRange,
  type Layout,
  type Lost,
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
import { removeTree } from '../apply/disk.ts'
import { type NewEntry, TreeWriter, checkEntries, sealTree } from '../apply/tree.ts'
import { type Placed, checkSpace, placeEntries } from '../apply/units.ts'
import type { Installation } from '../installation.port.ts'
import { type OpenSource, isDamage, manifestOf, openSource, spelled } from './source.ts'

export interface WriteParts {
  readonly p: Primitives
  readonly ask: FetchRange
  readonly rewrite: Installation['rewrite']
  tell(event: ErrandEvent): Promise<void>
}

/**
 * What fails leaves nothing behind.
 * @throws OcmError 'target-not-empty', 'snapshot-damaged', 'disk-full', 'plan-blocked'
 */
export async function writeSnapshot(
  parts: WriteParts,
  { source, to, home, sections, partial }: WriteErrand,
): Promise<WriteResult> {
  const opened = openSource(parts.p, source, parts.ask)
  const { manifest, lostPages } = await manifestOf(opened.packs, partial)
  const plan = home === null ? asItWas(manifest) : planFor(parts.p, manifest, home)
  const chosen = { ...manifest, entries: manifest.entries.filter(isChosen(sections)) }
  const placed = home === null ? everything(chosen) : placeEntries(chosen, plan)
  const items = placed.map((one): NewEntry => ({ path: one.absolute.slice(1), entry: one.entry }))
  checkEntries(items)
  await makeRoom(to)
  try {
    await checkSpace([{ target: '', live: to, stage: to, before: to }], placed)
    const lost = await writeAll(parts, opened, to, placed, partial)
    const written = placed.filter(({ absolute }) => !lost.has(absolute))
    const rewritten = home === null ? {} : await rewrite(parts, manifest, plan, written, to)
    await sealTree(
      to,
      items.filter(({ path }) => !lost.has(`/${path}`)),
    )
    return {
      files: written.filter(({ entry }) => entry.kind !== 'directory').length,
      bytes: written.reduce((sum, { entry }) => sum + entry.size, 0),
      lost: [
        ...lostPages.map(({ page, error }) => ({ place: `page ${page}`, code: error.code })),
        ...lost.values(),
      ],
      roots: Object.fromEntries(plan.roots.map(({ root, to: at }) => [root, at])),
      rewritten,
      findings: plan.findings.map(({ code }) => code),
    }
  } catch (error) {
    await removeTree(to)
    throw error
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

const TELL_BYTES = 8 * 1024 * 1024

/** @returns by absolute path, what could not be read. */
async function writeAll(
  { tell }: WriteParts,
  opened: OpenSource,
  to: string,
  placed: readonly Placed[],
  partial: boolean,
): Promise<ReadonlyMap<string, Lost>> {
  const total = placed.reduce((sum, { entry }) => sum + entry.size, 0)
  const lost = new Map<string, Lost>()
  const tree = new TreeWriter(to)
  let done = 0
  let told = 0
  try {
    for (const { entry, absolute } of placed) {
      const path = absolute.slice(1)
      if (entry.kind === 'directory' || entry.kind === 'link') {
        await tree.add({ path, entry })
        continue
      }
      try {
        await tree.write(path, opened.read(entry))
      } catch (error) {
        if (!isDamage(error)) throw error
        lost.set(absolute, { place: spelled(entry), code: error.code })
        await removeTree(to + absolute)
      }
      done += entry.size
      if (done - told < TELL_BYTES) continue
      told = done
      await tell({ kind: 'progress', phase: 'writing', done, total })
    }
    await tree.finish()
  } finally {
    await tree.close()
  }
  if (lost.size > 0 && !partial) throw new OcmError('snapshot-damaged', { files: lost.size })
  return lost
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
