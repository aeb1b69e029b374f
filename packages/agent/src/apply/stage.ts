/** Writes a snapshot beside the live state. Nothing live is touched; what goes wrong leaves nothing behind. */
import {
  type Entry,
  type ErrorCode,
  type Grant,
  type Layout,
  type Manifest,
  OcmError,
  Packs,
  type Plan,
  decodeRoot,
  equal,
  isWithin,
  layoutUnder,
  openChoices,
  openGrant,
  openerByGrants,
  planApply,
  readManifest,
} from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import { type NewEntry, checkEntries } from '../reading/entries.ts'
import { type StagedEntry, stageTrees } from '../reading/staging.ts'
import type { PackSource } from '../reading/write-files.ts'
import { removeTree } from './disk.ts'
import type { TargetRecord } from './journal.ts'
import { readNamedSnapshot } from './orders.ts'
import { stageGraft } from './stage-graft.ts'
import { checkDamages, counter } from './staging-told.ts'
import { type Placed, type Unit, checkSpace, placeEntries, stagedAt, unitsFor } from './units.ts'
import { type Held, type Work, report } from './work.ts'

interface Source {
  readonly manifest: Manifest
  readonly packs: PackSource
}

/**
 * The base snapshot, under the plan that was approved.
 * @throws OcmError 'signature-invalid', 'order-invalid', 'seal-broken', 'pack-damaged', 'plan-changed',
 * 'plan-blocked', 'port-taken', 'disk-full', 'openclaw-older', 'openclaw-unhealthy', 'link-lost'
 */
export async function stageBase(
  work: Work,
  held: Held,
  record: TargetRecord,
  header: Uint8Array,
): Promise<TargetRecord> {
  const { order, sourceKey } = held.verified
  readNamedSnapshot(
    work.p,
    { node: order.source, key: sourceKey, snapshot: order.snapshot },
    header,
  )
  const context = { job: order.job, target: order.target, snapshot: order.snapshot }
  const grant = openGrant(work.p, held.jobKey, context, order.grant)
  if (grant.fleet !== undefined) await work.keepFleetKey?.(grant.fleet)
  held.packKeys = grant.packs
  const source = await openSource(work, record.job, grant.root, [grant.packs])
  const facts = await work.installation.facts({ ports: [] })
  held.facts = facts
  const plan = planOf(work, held, source.manifest)
  // What has come to block it says more than that the plan is another one.
  checkBlockers(plan)
  if (plan.hash !== order.plan) throw new OcmError('plan-changed')
  held.plan = plan
  const { portsInUse } = await work.installation.facts({ ports: [plan.port.to] })
  if (portsInUse.includes(plan.port.to)) throw new OcmError('port-taken', { port: plan.port.to })
  if (plan.graft !== undefined) {
    return stageGraft(work, record, source, plan, facts.layout)
  }
  return write(work, held, record, source, plan, { mark: record.job, base: [] })
}

/**
 * The final snapshot of a move. What has not changed since the base is taken from the base's stage.
 * @param grant of the packs that the base does not have.
 */
export async function stageFinal(
  work: Work,
  held: Held,
  record: TargetRecord,
  grant: Grant,
): Promise<TargetRecord> {
  const source = await openSource(work, record.job, grant.root, [held.packKeys ?? [], grant.packs])
  const plan = planOf(work, held, source.manifest)
  checkBlockers(plan)
  checkSamePlaces(held.plan, plan)
  return write(work, held, record, source, plan, {
    mark: `${record.job}-final`,
    base: record.units,
  })
}

async function openSource(
  work: Work,
  job: string,
  root: Uint8Array,
  grants: readonly Grant['packs'][],
): Promise<Source> {
  report(work, job, 'fetching')
  const decoded = decodeRoot(root)
  const packs: PackSource = {
    packs: decoded.packs,
    fetch: (pack, offset, length, into) => work.hub.readPack(job, pack, offset, length, into),
    openerOf: openerByGrants(...grants),
  }
  const reader = new Packs(work.p, decoded, packs.fetch, packs.openerOf)
  return { manifest: await readManifest(reader), packs }
}

function planOf(work: Work, held: Held, manifest: Manifest): Plan {
  const { order } = held.verified
  if (!held.facts) throw new OcmError('internal', { what: 'facts' })
  const context = { job: order.job, target: order.target, snapshot: order.snapshot }
  const choices = openChoices(work.p, held.jobKey, context, order.choices)
  if (choices.kind !== order.kind) throw new OcmError('order-invalid', { why: 'kind' })
  return planApply(work.p, manifest, held.facts, choices, {
    source: order.source,
    target: order.target,
  })
}

/** Blockers that people meet by the same code elsewhere; their facts are numbers and versions, never names. */
const KNOWN_BLOCKERS: ReadonlySet<string> = new Set([
  'disk-full',
  'openclaw-missing',
  'openclaw-newer',
  'openclaw-older',
  'port-taken',
  'snapshot-foreign',
] satisfies ErrorCode[])

function checkBlockers(plan: Plan): void {
  const blocker = plan.findings.find(({ weight }) => weight === 'blocker')
  if (!blocker) return
  const { root: _, path: __, ...facts } = blocker.facts
  if (KNOWN_BLOCKERS.has(blocker.code)) throw new OcmError(blocker.code as ErrorCode, facts)
  throw new OcmError('plan-blocked', { why: blocker.code })
}

/**
 * The source may have got another workspace since the plan was approved. Nobody has looked at where that would go here.
 * @throws OcmError 'plan-changed'
 */
function checkSamePlaces(approved: Plan | undefined, now: Plan): void {
  const places = new Map(approved?.roots.map(({ root, to }) => [root, to]))
  const isKnown = now.roots.every(({ root, to }) => places.get(root) === to)
  if (!isKnown || approved?.port.to !== now.port.to) throw new OcmError('plan-changed')
}

const bareIn = ({ reports }: Plan): readonly string[] =>
  reports.flatMap(({ why, text }) => (why === 'dependencies-left' ? [text] : []))

interface Where {
  /** Goes into the names of the stages. */
  readonly mark: string
  /** Units of a stage to take unchanged files from. */
  readonly base: readonly Unit[]
}

async function write(
  work: Work,
  held: Held,
  before: TargetRecord,
  { manifest, packs }: Source,
  plan: Plan,
  { mark, base }: Where,
): Promise<TargetRecord> {
  const { job } = before
  const placed = placeEntries(manifest, plan)
  const units = await unitsFor(placed, plan, work.stateDir, { stage: mark, before: job })
  if (units.length === 0) throw new OcmError('malformed', { what: 'snapshot' })
  const items = units.map((unit) => itemsOf(unit, placed))
  for (const some of items) checkEntries(some)
  const { kind, trial } = plan.choices
  const isTried = kind !== 'restore' && trial !== false
  if (base.length === 0) {
    const state = plan.roots.find(({ root }) => root === 'state')
    await checkSpace(units, placed, isTried ? state?.to : undefined)
  }

  const scraps = units.flatMap(({ stage }) => [stage, `${stage}-check`])
  const record = await work.journal.write<TargetRecord>({
    ...before,
    scraps: [...new Set([...before.scraps, ...scraps])],
  })
  for (const scrap of scraps) await removeTree(scrap)

  const progress = counter(work, job, placed)
  const staging = stageTrees(
    work.p,
    units.map((unit, i) => ({
      root: unit.stage,
      items: withTwins(held, base, unit, items[i] ?? []),
    })),
  )
  try {
    const damages = await staging.write(packs, { progress: (bytes) => progress.add(bytes) })
    checkDamages(work, job, plan, damages)
    const lost = new Set(damages.map(({ entry }) => entry))
    const layout = layoutUnder(plan, (held.facts as { layout: Layout }).layout)
    const staged: Staged = {
      from: manifest.layout,
      to: layout,
      at: (absolute) => stagedAt(units, absolute),
      files: placed.flatMap(({ entry, absolute }) =>
        entry.kind === 'directory' || lost.has(entry)
          ? []
          : [{ absolute, kind: entry.kind, section: entry.section }],
      ),
      rules: plan.rules,
      choices: plan.choices,
      port: plan.port.to,
    }
    if (base.length === 0) held.staged = staged
    report(work, job, 'rewriting')
    const { changed } = await work.installation.rewrite(staged)
    const counts = Object.entries(changed).map(([what, count]) => `${what} ${count}`)
    work.hub.log(job, `Rewritten: ${counts.join(', ') || 'nothing'}.`)
    await validateOnce(work, held, job, staged, manifest)
    const bare = bareIn(plan)
    if (bare.length > 0) {
      work.hub.log(job, `Plugins that come without their dependencies: ${bare.join(', ')}.`)
    }
    report(work, job, 'sealing')
    const seen = await staging.seal()
    held.sealed = new Map(
      placed.flatMap(({ absolute, entry }) => {
        const one = seen.get(entry)
        return one ? [[absolute, { entry, seen: one }]] : []
      }),
    )
    return await work.journal.write<TargetRecord>({
      ...record,
      state: 'staged',
      ...(isTried && { mustBeTried: isTried }),
      units,
      layout,
      // What was left out on purpose would be missed.
      inventory: damages.length > 0 ? null : manifest.inventory,
      bytes: progress.total,
      lost: damages.length,
      ...(bare.length > 0 && { bare }),
    })
  } finally {
    await staging.end()
  }
}

/**
 * Whatever this job has staged before and nobody has changed since is taken over. Nothing else ever is: a name for
 * something live would change with the stage.
 */
function withTwins(
  held: Held,
  base: readonly Unit[],
  unit: Unit,
  items: readonly NewEntry[],
): readonly StagedEntry[] {
  if (base.length === 0) return items
  return items.map((item) => {
    const absolute = item.path === '' ? unit.target : `${unit.target}/${item.path}`
    const sealed = held.sealed?.get(absolute)
    if (!sealed || !hasSameContent(sealed.entry, item.entry)) return item
    return { ...item, twin: { path: stagedAt(base, absolute), seen: sealed.seen } }
  })
}

const hasSameContent = (a: Entry, b: Entry): boolean =>
  a.kind === b.kind &&
  a.size === b.size &&
  a.sha256 !== undefined &&
  b.sha256 !== undefined &&
  equal(a.sha256, b.sha256)

const itemsOf = (unit: Unit, placed: readonly Placed[]): readonly NewEntry[] =>
  placed.flatMap(({ entry, absolute }) =>
    isWithin(unit.target, absolute)
      ? [{ path: absolute.slice(unit.target.length + 1), entry }]
      : [],
  )

/** While the source stands still, what OpenClaw has said of the same configuration is not asked again. */
async function validateOnce(
  work: Work,
  held: Held,
  job: string,
  staged: Staged,
  manifest: Manifest,
): Promise<void> {
  const shown = JSON.stringify([manifest.config, manifest.layout.versions])
  if (held.validated === shown) return
  report(work, job, 'validating')
  const unasked = await work.installation.validate(staged)
  if (unasked.length > 0) {
    work.hub.log(job, `OpenClaw was not asked about these databases before: ${unasked.join('; ')}`)
  }
  held.validated = shown
}
