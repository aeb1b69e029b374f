/** `ocm verify`: reads everything of some snapshots with the keys, and says what is not whole. */
import { availableParallelism } from 'node:os'
import { type NodeState, OcmError, type SnapshotState } from '@ocm/protocol'
import { type CheckedDatabase, checkDatabases } from '../node/verify/databases.ts'
import { startCrew } from '../node/verify/crew.ts'
import { openSnapshot } from '../snapshots/open.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { type Affected, type VerifyReport, isWhole, verifySnapshots } from '../verify/verify.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short } from './format.ts'
import { findNode, snapshotNamed } from './names.ts'
import { Told } from './terminal.ts'

export interface VerifyOptions {
  readonly all?: boolean
  readonly sample?: string
  readonly databases?: boolean
}

/** One more than there are processors: one of them waits for the hub. More than this wait for it most of the time. */
const MOST_THREADS = 4

export async function verify(
  context: Context,
  name: string | undefined,
  options: VerifyOptions,
): Promise<void> {
  const { terminal, ports } = context
  const share = shareOf(options.sample)
  const snapshots = await chosen(context, name, options.all ?? false)
  await withVault(context, async (unlocked) => {
    const { token = '', ...hub } = context.access
    const threads = Math.min(availableParallelism() + 1, MOST_THREADS)
    const crew = startCrew(threads, { ...hub, token })
    let report: VerifyReport
    try {
      const ids = snapshots.map(({ id }) => id)
      report = await verifySnapshots(ports, unlocked, { snapshots: ids, share }, crew)
    } finally {
      await crew.close()
    }
    const databases = options.databases ? await databasesOf(context, unlocked, report) : []
    const unsound = databases.filter(({ says }) => says !== 'ok')
    const ok = isWhole(report) && unsound.length === 0
    if (!report.sampled && unsound.length === 0) {
      for (const id of report.whole) await ports.api.snapshotVerified(id)
    }
    const value = { ok, ...report, ...(options.databases ? { databases } : {}) }
    terminal.result(value, [...linesOf(report), ...databaseLines(databases)].join('\n'))
    if (!ok) {
      throw new Told('verify-failed', {
        snapshots: report.damaged.length + report.unreadable.length + report.gaps.length,
        databases: unsound.length,
      })
    }
  })
}

/** @throws OcmError 'wrong-use' */
function shareOf(sample: string | undefined): number {
  if (sample === undefined) return 1
  const percent = Number(sample.replace(/%$/, ''))
  if (!(percent > 0 && percent <= 100)) {
    throw new OcmError('wrong-use', { what: '--sample takes a percentage from 1 to 100' })
  }
  return percent / 100
}

/** One snapshot, or all of a node, or all there are. A snapshot that was pruned has nothing to be read any more. */
async function chosen(
  { ports }: Context,
  name: string | undefined,
  all: boolean,
): Promise<readonly SnapshotState[]> {
  const { api } = ports
  if ((name === undefined) !== all) {
    throw new OcmError('wrong-use', { what: 'Name a snapshot or a node, or say --all' })
  }
  if (name === undefined) return present(await api.snapshots())
  const node = nodeCalled(await api.nodes(), name)
  if (node !== undefined) return present(await api.snapshots(node.id))
  return [await snapshotNamed(api, name)]
}

const present = (snapshots: readonly SnapshotState[]): readonly SnapshotState[] => {
  const there = snapshots.filter(({ prunedAt }) => prunedAt === null)
  if (there.length === 0) throw new OcmError('not-found', { what: 'snapshot' })
  return there
}

function nodeCalled(nodes: readonly NodeState[], name: string): NodeState | undefined {
  try {
    return findNode(nodes, name)
  } catch (error) {
    if (error instanceof OcmError && error.code === 'not-found') return undefined
    throw error
  }
}

interface FoundDatabase extends CheckedDatabase {
  readonly snapshot: string
}

async function databasesOf(
  { ports }: Context,
  unlocked: Unlocked,
  { whole, damaged }: VerifyReport,
): Promise<readonly FoundDatabase[]> {
  const found: FoundDatabase[] = []
  for (const id of [...whole, ...damaged]) {
    const snapshot = await openSnapshot(ports, unlocked, id)
    for (const one of await checkDatabases(snapshot)) found.push({ snapshot: id, ...one })
  }
  return found
}

const SHOWN = 20

function affectedLines(affected: readonly Affected[]): readonly string[] {
  const lines = affected.slice(0, SHOWN).map(({ path, snapshots }) => {
    const others = snapshots.length > 1 ? ` (in ${snapshots.length} snapshots)` : ''
    return `    ${path}${others}`
  })
  const more = affected.length - SHOWN
  return more > 0 ? [...lines, `    and ${more} more; --json lists them all`] : lines
}

function linesOf(report: VerifyReport): readonly string[] {
  const { checked, whole, damaged, unreadable } = report
  const read =
    `Read ${count(checked.packs, 'pack')} (${bytes(checked.storedBytes)}), ` +
    `${count(checked.segments, 'segment')}, ${count(checked.contents, 'content')}` +
    ` (${bytes(checked.plainBytes)})${report.sampled ? ', a sample' : ''}.`
  return [
    read,
    ...unreadable.map(({ snapshot, code }) => `Cannot be read: ${short(snapshot)} (${code})`),
    ...report.gaps.map(
      ({ snapshot, why }) => `Does not follow the one before it: ${short(snapshot)} (${why})`,
    ),
    ...report.packs.flatMap(({ pack, why, segments, affected }) => [
      `Pack ${short(pack)} is ${why}${segments.length > 0 ? ` (${count(segments.length, 'segment')})` : ''}; it costs${affected.length === 0 ? '' : ` ${count(affected.length, 'file')}`}:`,
      ...(affected.length === 0 ? ['    nothing of these snapshots'] : affectedLines(affected)),
    ]),
    ...(report.different.length > 0
      ? ['Not what the node signed:', ...affectedLines(report.different)]
      : []),
    damaged.length + unreadable.length + report.gaps.length === 0
      ? `${count(whole.length, 'snapshot')} whole.`
      : `${count(whole.length, 'snapshot')} whole, ${damaged.length + unreadable.length} not: ` +
        [...damaged, ...unreadable.map(({ snapshot }) => snapshot)].map(short).join(', '),
  ]
}

const databaseLines = (databases: readonly FoundDatabase[]): readonly string[] =>
  databases.map(({ path, says }) => `${path}: ${says}`)
