/** Writes a snapshot beside the live state. Nothing live is touched; what goes wrong leaves nothing behind. */
import { constants } from 'node:fs'
import {
  type Entry,
  type ErrorCode,
  type Grant,
  type Layout,
  type Manifest,
  OcmError,
  Packs,
  type Plan,
  contentHash,
  decodeRoot,
  equal,
  isWithin,
  layoutUnder,
  openChoices,
  openGrant,
  openerByGrants,
  planApply,
  readEntry,
  readManifest,
} from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import { removeTree, statOf, withOpen } from './disk.ts'
import type { TargetRecord } from './journal.ts'
import { readNamedSnapshot } from './orders.ts'
import { type NewEntry, TreeWriter, checkEntries, sealTree } from './tree.ts'
import { type Placed, type Unit, checkSpace, placeEntries, stagedAt, unitsFor } from './units.ts'
import { type Held, type Work, report } from './work.ts'

interface Source {
  readonly manifest: Manifest
  readonly packs: Packs
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
  const packs = new Packs(
    work.p,
    decodeRoot(root),
    (pack, offset, length) => work.hub.readPack(job, pack, offset, length),
    openerByGrants(...grants),
  )
  return { manifest: await readManifest(packs), packs }
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
  if (base.length === 0) await checkSpace(units, placed)

  const scraps = units.flatMap(({ stage }) => [stage, `${stage}-check`])
  const record = await work.journal.write<TargetRecord>({
    ...before,
    scraps: [...new Set([...before.scraps, ...scraps])],
  })
  for (const scrap of scraps) await removeTree(scrap)

  const progress = counter(work, job, placed)
  for (const [i, unit] of units.entries()) {
    await writeUnit(work, unit, items[i] ?? [], packs, base, progress)
  }

  const layout = layoutUnder(plan, (held.facts as { layout: Layout }).layout)
  const staged: Staged = {
    from: manifest.layout,
    to: layout,
    at: (absolute) => stagedAt(units, absolute),
    files: placed.flatMap(({ entry, absolute }) =>
      entry.kind === 'directory' ? [] : [{ absolute, kind: entry.kind, section: entry.section }],
    ),
    rules: plan.rules,
    choices: plan.choices,
    port: plan.port.to,
  }
  report(work, job, 'rewriting')
  const { changed } = await work.installation.rewrite(staged)
  const counts = Object.entries(changed).map(([what, count]) => `${what} ${count}`)
  work.hub.log(job, `Rewritten: ${counts.join(', ') || 'nothing'}.`)
  await validateOnce(work, held, job, staged, manifest)
  for (const [i, unit] of units.entries()) await sealTree(unit.stage, items[i] ?? [])
  return work.journal.write<TargetRecord>({
    ...record,
    state: 'staged',
    units,
    layout,
    inventory: manifest.inventory,
    bytes: progress.total,
  })
}

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
  await work.installation.validate(staged)
  held.validated = shown
}

interface Counter {
  readonly total: number
  add(bytes: number): void
}

const STEPS_SHOWN = 200

function counter(work: Work, job: string, placed: readonly Placed[]): Counter {
  const total = placed.reduce((sum, { entry }) => sum + entry.size, 0)
  const every = Math.max(total / STEPS_SHOWN, 256 * 1024)
  let done = 0
  let shown = 0
  report(work, job, 'writing', 0, total, 'bytes')
  return {
    total,
    add(bytes) {
      done += bytes
      if (done - shown < every && done !== total) return
      shown = done
      report(work, job, 'writing', done, total, 'bytes')
    },
  }
}

async function writeUnit(
  work: Work,
  unit: Unit,
  items: readonly NewEntry[],
  packs: Packs,
  base: readonly Unit[],
  progress: Counter,
): Promise<void> {
  const tree = new TreeWriter(unit.stage)
  try {
    for (const item of items) {
      const { entry, path } = item
      if (entry.kind === 'directory' || entry.kind === 'link') {
        await tree.add(item)
      } else {
        const absolute = path === '' ? unit.target : `${unit.target}/${path}`
        // Only what this job has staged: a link to something live would change with the stage.
        const isStaged = base.some(({ target }) => isWithin(target, absolute))
        const same = stagedAt(base, absolute)
        if (isStaged && (await holds(work, same, entry))) await tree.adopt(path, same)
        else await tree.write(path, readEntry(packs, entry))
      }
      progress.add(entry.size)
    }
    await tree.finish()
  } finally {
    await tree.close()
  }
}

const READ_BYTES = 1024 * 1024

/** Whether the file there still has this content; one that was rewritten has not. */
async function holds(work: Work, path: string, entry: Entry): Promise<boolean> {
  const stat = await statOf(path)
  if (!stat?.isFile() || stat.size !== entry.size || !entry.sha256) return false
  // For its owner only; one that the owner may not read is fetched.
  if ((stat.mode & 0o400) === 0) return false
  const hash = contentHash(work.p, entry.kind, entry.size)
  await withOpen(path, constants.O_RDONLY | constants.O_NOFOLLOW, async (handle) => {
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES)
      if (bytesRead === 0) return
      hash.update(buffer.subarray(0, bytesRead))
    }
  })
  return equal(hash.digest(), entry.sha256)
}
