/** `ocm snapshots`, `ocm snapshots show`, `ocm ls` and `ocm cat`. */
import {
  type Entry,
  OcmError,
  type SnapshotState,
  base64url,
  pathFromBytes,
  pathToBytes,
} from '@ocm/protocol'
import { doubtsOf } from '../snapshots/doubts.ts'
import { askFor, openSnapshot, readOne } from '../snapshots/open.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short, table, time } from './format.ts'
import { nodeNamed, snapshotNamed } from './names.ts'
import { doubtLines } from './show-doubts.ts'

export async function listSnapshots({ terminal, ports }: Context, name?: string): Promise<void> {
  const { api } = ports
  const nodes = await api.nodes()
  const node = name === undefined ? undefined : await nodeNamed(api, name)
  const snapshots = await api.snapshots(node?.id, { pruned: true })
  const labels = new Map(nodes.map(({ id, label }) => [id, label]))
  const rows = snapshots.map((snapshot) => [
    short(snapshot.id),
    labels.get(snapshot.node) ?? short(snapshot.node),
    time(snapshot.receivedAt),
    snapshot.trigger,
    bytes(snapshot.metrics.bytes),
    bytes(snapshot.metrics.storedBytes),
    String(snapshot.metrics.personas),
    String(snapshot.metrics.cronJobs),
    standing(snapshot),
  ])
  const head = ['SNAPSHOT', 'NODE', 'TAKEN', 'WHY', 'SIZE', 'STORED', 'PERSONAS', 'CRON', 'STATE']
  terminal.result(snapshots, snapshots.length === 0 ? 'No snapshots yet.' : table(head, rows))
}

function standing({ metrics, pinned, prunedAt, damaged }: SnapshotState): string {
  const doubts = metrics.warnings + metrics.unstable + metrics.unreadable
  const parts = [
    ...(prunedAt === null ? [] : [`pruned ${time(prunedAt)}`]),
    ...(damaged === 0 ? [] : [`${count(damaged, 'pack')} damaged`]),
    ...(doubts === 0 ? [] : [count(doubts, 'warning')]),
    ...(pinned ? ['pinned'] : []),
  ]
  return parts.length === 0 ? 'good' : parts.join(', ')
}

/** What is in it by number, and by name what may not be as it was on the node. */
export async function showSnapshot(context: Context, name: string): Promise<void> {
  const { terminal, ports } = context
  const snapshot = await snapshotNamed(ports.api, name)
  const { label } = await ports.api.node(snapshot.node)
  await withVault(context, async (unlocked) => {
    const { manifest } = await openSnapshot(ports, unlocked, snapshot.id)
    const { metrics } = snapshot
    const doubts = doubtsOf(manifest)
    const files = manifest.entries.filter(({ kind }) => kind !== 'directory').length
    const lines = doubtLines(doubts)
    terminal.result(
      { ...snapshot, ...doubts },
      [
        `Snapshot ${snapshot.id}`,
        `of ${label}, ${time(snapshot.receivedAt)} (${snapshot.trigger}), OpenClaw ${snapshot.openclaw}: ${standing(snapshot)}`,
        `${count(files, 'file')}, ${bytes(metrics.bytes)}, of which ${bytes(metrics.storedBytes)} were stored anew; ` +
          `${count(metrics.personas, 'persona')}, ${count(metrics.cronJobs, 'cron job')}.`,
        '',
        ...(lines.length === 0
          ? ['Everything was read as it stood, and nothing was left out.']
          : lines),
      ].join('\n'),
    )
  })
}

const spelled = ({ root, path }: Pick<Entry, 'root' | 'path'>) => `${root}:${pathFromBytes(path)}`

/** @param place `root:path`, or a root alone; all of it when it is not given. */
export async function listEntries(context: Context, name: string, place?: string): Promise<void> {
  const { terminal, ports } = context
  const { id } = await snapshotNamed(ports.api, name)
  await withVault(context, async (unlocked) => {
    const { manifest } = await openSnapshot(ports, unlocked, id)
    const entries = manifest.entries.filter((entry) => place === undefined || isUnder(entry, place))
    if (entries.length === 0 && place !== undefined)
      throw new OcmError('not-found', { what: 'path' })
    terminal.result(
      entries.map((entry) => ({
        path: spelled(entry),
        kind: entry.kind,
        section: entry.section,
        travel: entry.travel,
        mode: entry.mode,
        size: entry.size,
        modifiedAt: entry.modifiedAt,
        ...(entry.unstable ? { unstable: true } : {}),
        ...(entry.target === undefined ? {} : { target: pathFromBytes(entry.target) }),
      })),
      entries.map(line).join('\n'),
    )
    // Beneath the list, and not in it: what is not there, and what may not be as it was.
    const within = (one: Pick<Entry, 'root' | 'path'>) => place === undefined || isUnder(one, place)
    const doubts = doubtsOf({ ...manifest, entries, omissions: manifest.omissions.filter(within) })
    const warnings = place === undefined ? doubts.warnings : []
    for (const text of doubtLines({ ...doubts, warnings })) terminal.say(text)
  })
}

function isUnder({ root, path }: Pick<Entry, 'root' | 'path'>, place: string): boolean {
  if (place === root || place === `${root}:`) return true
  if (!place.startsWith(`${root}:`)) return false
  const wanted = place.slice(root.length + 1).replace(/\/$/, '')
  const has = pathFromBytes(path)
  return has === wanted || has.startsWith(`${wanted}/`)
}

const LETTERS = { file: '-', directory: 'd', link: 'l', database: 'b' } as const

function line(entry: Entry): string {
  const mode = `${LETTERS[entry.kind]}${entry.mode.toString(8).padStart(4, '0')}`
  const target = entry.target === undefined ? '' : ` -> ${pathFromBytes(entry.target)}`
  return `${mode}  ${bytes(entry.size).padStart(9)}  ${time(entry.modifiedAt)}  ${spelled(entry)}${target}${entry.unstable ? '  (changed while it was read)' : ''}`
}

export async function cat(context: Context, name: string, place: string): Promise<void> {
  const { terminal, ports } = context
  const at = placeNamed(place)
  const { id } = await snapshotNamed(ports.api, name)
  const asked = askFor(ports, id)
  // Whoever waits for it hears of it; the vault may not open at all.
  asked.catch(() => undefined)
  await withVault(context, async (unlocked) => {
    const { entry, content } = await readOne(ports, unlocked, await asked, at)
    if (terminal.json) {
      terminal.result({ path: place, size: entry.size, content: base64url(content) }, '')
    } else {
      terminal.raw(content)
    }
  })
}

/** @throws OcmError 'wrong-use' */
export function placeNamed(place: string): Pick<Entry, 'root' | 'path'> {
  // A root such as workspace:main has a colon of its own.
  const [, root, path] = /^((?:workspace|extra):[^:]+|[^:]+):(.*)$/s.exec(place) ?? []
  if (root === undefined || path === undefined) {
    throw new OcmError('wrong-use', { what: 'A file is named as root:path, as ls shows it' })
  }
  return { root, path: pathToBytes(path) }
}
