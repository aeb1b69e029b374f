/**
 * A full verify: every segment of every pack that some snapshots use is opened, every content hashed and compared with
 * what its node signed. Threads fetch the packs from the hub and do the work on their bytes.
 */
import {
  OcmError,
  type PackId,
  equal,
  fromHex,
  hex,
  pathFromBytes,
  readEntry,
  readPages,
} from '@ocm/protocol'
import { type SnapshotRoot, openRoot } from '../snapshots/open.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { Judging } from './judging.ts'
import { type KnownPack, Reading } from './reading.ts'
import type { TakePack } from './take-pack.ts'
import type { PackVerdict, Portion } from './task.ts'

/** Who fetches packs and does the work on their bytes. */
export interface Checkers {
  /** Packs that may be at work at once. */
  readonly width: number
  readonly check: TakePack
}

export interface VerifyWish {
  readonly snapshots: readonly string[]
  /** Look at about this share of the packs only, from 0 to 1. */
  readonly share?: number
  readonly onProgress?: (done: { readonly bytes: number; readonly total: number }) => void
}

/** Something at a place of a snapshot, and every snapshot of those verified that has it. */
export interface Affected {
  readonly path: string
  readonly snapshots: readonly string[]
}

export interface DamagedPack {
  readonly pack: PackId
  /** `missing`: the hub does not have it. `damaged`: some or all of it does not open. */
  readonly why: 'missing' | 'damaged'
  /** Segments that do not open; none listed when no part of the pack does. */
  readonly segments: readonly number[]
  readonly affected: readonly Affected[]
}

export interface VerifyReport {
  /** Those that are whole, as far as was looked. */
  readonly whole: readonly string[]
  readonly damaged: readonly string[]
  /** Snapshots of which not even the manifest can be read, with the code of the error. */
  readonly unreadable: readonly { readonly snapshot: string; readonly code: string }[]
  readonly packs: readonly DamagedPack[]
  /** Snapshots that do not follow the one before them: somebody hid or forked a history. */
  readonly gaps: readonly { readonly snapshot: string; readonly why: 'chain' | 'sequence' }[]
  /** Contents that open and are not what the manifest says. */
  readonly different: readonly Affected[]
  readonly checked: {
    readonly packs: number
    readonly segments: number
    readonly storedBytes: number
    readonly plainBytes: number
    readonly contents: number
  }
  /** Set when only a sample was looked at. */
  readonly sampled: boolean
}

export const isWhole = (report: VerifyReport): boolean =>
  report.damaged.length === 0 && report.unreadable.length === 0 && report.gaps.length === 0

/** @throws OcmError when the hub cannot be reached or the vault does not fit; damage is in the report. */
export async function verifySnapshots(
  ports: Ports,
  unlocked: Unlocked,
  wish: VerifyWish,
  checkers: Checkers,
): Promise<VerifyReport> {
  const reading = new Reading()
  const opened: SnapshotRoot[] = []
  const unreadable: { snapshot: string; code: string }[] = []
  for (const id of wish.snapshots) {
    try {
      const root = await openRoot(ports, unlocked, id)
      checkPackList(root)
      const opener = { sealing: root.sealing, node: root.node }
      reading.add(root.root, opener, await readPages(root.packs))
      opened.push(root)
    } catch (error) {
      if (!(error instanceof OcmError) || !OF_THE_SNAPSHOT.has(error.code)) throw error
      unreadable.push({ snapshot: id, code: error.code })
    }
  }
  const chosen = sample(ports, reading, wish.share ?? 1)
  const found = await readAll(ports, reading, chosen, checkers, wish)
  const { broken, different } = await judge(ports, reading, opened, chosen, found)
  const nameOf = (content: number): Affected => {
    const { root, path } = reading.contents.place(content)
    return {
      path: `${root}:${pathFromBytes(path)}`,
      snapshots: reading.contents.snapshots(content).map((n) => (opened[n] as SnapshotRoot).id),
    }
  }
  const packs = found.damaged.map(({ contents, ...pack }) => ({
    ...pack,
    affected: contents.map(nameOf),
  }))
  const bad = new Set([...broken, ...different].flatMap((content) => nameOf(content).snapshots))
  // A pack of pages may be damaged where no page of this snapshot lies; it is listed all the same.
  for (const { pack } of packs) {
    for (const { id, root } of opened) {
      if (root.packs.some((known) => equal(known.id, fromHex(pack)))) bad.add(id)
    }
  }
  const ids = opened.map(({ id }) => id)
  return {
    whole: ids.filter((id) => !bad.has(id)),
    damaged: ids.filter((id) => bad.has(id)),
    unreadable,
    packs,
    gaps: gapsIn(opened),
    different: [...different].map(nameOf),
    checked: found.checked,
    sampled: chosen.size < reading.packs.size,
  }
}

/** What is wrong with a snapshot rather than with the way to it. */
const OF_THE_SNAPSHOT: ReadonlySet<string> = new Set([
  'pack-damaged',
  'pack-missing',
  'malformed',
  'signature-invalid',
  'seal-broken',
  'epoch-unknown',
])

/** The hub counts by the signed list, readers go by the sealed one. @throws OcmError 'malformed' */
function checkPackList({ header, root }: SnapshotRoot): void {
  const listed = new Map(header.packs.map((pack) => [pack.id, pack]))
  const same =
    listed.size === root.packs.length &&
    root.packs.every((pack) => {
      const other = listed.get(hex(pack.id))
      return other?.bytes === pack.bytes && other.class === pack.class
    })
  if (!same) throw new OcmError('malformed', { what: 'list of packs' })
}

function sample({ p }: Ports, { packs }: Reading, share: number): ReadonlySet<PackId> {
  if (share >= 1) return new Set(packs.keys())
  const drawn = [...packs.keys()]
    .map((id) => ({ id, lot: hex(p.random(8)) }))
    .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
  const count = Math.max(1, Math.round(packs.size * share))
  const chosen = new Set(drawn.slice(0, count).map(({ id }) => id))
  return new Set([...packs.keys()].filter((id) => chosen.has(id)))
}

interface Found {
  readonly judging: Judging
  /** Contents of which something is damaged or missing. */
  readonly broken: Set<number>
  readonly different: Set<number>
  readonly damaged: (Omit<DamagedPack, 'affected'> & { readonly contents: readonly number[] })[]
  readonly checked: VerifyReport['checked']
}

async function readAll(
  ports: Ports,
  reading: Reading,
  chosen: ReadonlySet<PackId>,
  checkers: Checkers,
  { onProgress = () => undefined }: VerifyWish,
): Promise<Found> {
  const found: Found = {
    judging: new Judging(ports.p, reading.contents),
    broken: new Set(),
    different: new Set(),
    damaged: [],
    checked: { packs: 0, segments: 0, storedBytes: 0, plainBytes: 0, contents: 0 },
  }
  const checked = found.checked as { -readonly [K in keyof VerifyReport['checked']]: number }
  const isPieces = ({ content }: Portion) =>
    reading.contents.isDatabase(content) && !parted.has(content)
  /** Databases whose parts do not lie on pieces come as bytes. */
  const parted = new Set<number>()
  const total = [...chosen].reduce((sum, id) => sum + (reading.packs.get(id)?.known.bytes ?? 0), 0)
  const queue = [...chosen].values()

  async function readNext(): Promise<void> {
    for (const id of queue) {
      const pack = reading.packs.get(id) as KnownPack
      const uses = reading.usesOf(id)
      for (const [i, content] of uses.contents.entries()) {
        if (uses.pieces[i] === 0) parted.add(content)
      }
      const { bytes, header, class: inClass } = pack.known
      const task = { pack: id, bytes, header, class: inClass, opener: pack.opener, uses }
      note(await checkers.check(task, (portion) => found.judging.take(portion, isPieces(portion))))
      checked.packs += 1
      checked.storedBytes += bytes
      onProgress({ bytes: checked.storedBytes, total })
    }
  }

  function note(verdict: PackVerdict): void {
    const { pack, unreadable, damaged, broken } = verdict
    for (const content of broken) {
      found.broken.add(content)
      found.judging.drop(content)
    }
    for (const content of verdict.different) found.different.add(content)
    if (unreadable !== false || damaged.length > 0) {
      const why = unreadable === 'missing' ? 'missing' : 'damaged'
      found.damaged.push({ pack, why, segments: damaged, contents: broken })
    }
    checked.segments += verdict.segments
    checked.plainBytes += verdict.plainBytes
  }

  await Promise.all(Array.from({ length: checkers.width }, readNext))
  return found
}

/** What could be judged by no pack alone. */
async function judge(
  ports: Ports,
  reading: Reading,
  opened: readonly SnapshotRoot[],
  chosen: ReadonlySet<PackId>,
  { judging, broken, different, checked }: Found,
): Promise<{ readonly broken: ReadonlySet<number>; readonly different: ReadonlySet<number> }> {
  const { contents } = reading
  const isChosen = contents.packs.map((id) => chosen.has(id))
  let count = 0
  for (let number = 0; number < contents.count; number++) {
    const span = contents.span(number)
    const isRead = contents.parts(number).every(({ pack }) => isChosen[pack])
    if (!isRead) continue
    count += 1
    if (broken.has(number) || different.has(number)) continue
    if (judging.postponed.has(number)) {
      const [first = 0] = contents.snapshots(number)
      const { packs } = opened[first] as SnapshotRoot
      if (!(await reads(packs, contents.entry(number)))) different.add(number)
    } else if (span !== 1 || contents.isDatabase(number)) {
      if (!judging.isRight(number)) different.add(number)
    }
  }
  ;(checked as { contents: number }).contents = count
  return { broken, different }
}

async function reads(
  packs: SnapshotRoot['packs'],
  entry: Parameters<typeof readEntry>[1],
): Promise<boolean> {
  try {
    for await (const part of readEntry(packs, entry)) void part
    return true
  } catch (error) {
    if (error instanceof OcmError && error.code === 'pack-damaged') return false
    throw error
  }
}

/** Where a snapshot does not follow the one before it; numbers that are left out were pruned. */
function gapsIn(opened: readonly SnapshotRoot[]): VerifyReport['gaps'] {
  const gaps: { snapshot: string; why: 'chain' | 'sequence' }[] = []
  for (const { id, node, header } of opened) {
    for (const before of opened) {
      if (before.node !== node || before.id === id) continue
      if (before.header.seq === header.seq) gaps.push({ snapshot: id, why: 'sequence' })
      if (before.header.seq === header.seq - 1 && header.prev !== before.id) {
        gaps.push({ snapshot: id, why: 'chain' })
      }
    }
  }
  return gaps
}
