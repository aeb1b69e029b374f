/** `ocm snapshots`, `ocm ls` and `ocm cat`. */
import {
  type Entry,
  OcmError,
  type SnapshotState,
  base64url,
  pathFromBytes,
  pathToBytes,
} from '@ocm/protocol'
import { askFor, openSnapshot, readOne } from '../snapshots/open.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short, table, time } from './format.ts'
import { nodeNamed, snapshotNamed } from './names.ts'

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

const spelled = ({ root, path }: Entry) => `${root}:${pathFromBytes(path)}`

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
        ...(entry.target === undefined ? {} : { target: pathFromBytes(entry.target) }),
      })),
      entries.map(line).join('\n'),
    )
  })
}

function isUnder({ root, path }: Entry, place: string): boolean {
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
  return `${mode}  ${bytes(entry.size).padStart(9)}  ${time(entry.modifiedAt)}  ${spelled(entry)}${target}`
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
