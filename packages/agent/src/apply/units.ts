/**
 * What is renamed in one piece. A unit is a root of the plan, or the topmost thing that the snapshot has in the home
 * directory (which is never renamed itself); roots inside one another are one unit, and where the directories above
 * are missing, the topmost missing one is the unit.
 */
import { constants } from 'node:fs'
import { access, readFile, realpath, statfs } from 'node:fs/promises'
import {
  type Entry,
  type Manifest,
  OcmError,
  type Plan,
  isWithin,
  pathFromBytes,
  travels,
} from '@ocm/protocol'
import { exists, nameOf, onDisk, parentOf, statOf } from './disk.ts'

export interface Unit {
  /** Its absolute path in the new layout. */
  readonly target: string
  /** The same place with links resolved: what is renamed. */
  readonly live: string
  readonly stage: string
  /** Where what is live now is kept. */
  readonly before: string
}

/** An entry that is to be written, and where it is going to live. */
export interface Placed {
  readonly entry: Entry
  readonly absolute: string
}

/** Entries that go along in this kind of apply, by absolute path; directories stand before what is in them. */
export function placeEntries(
  manifest: Pick<Manifest, 'entries'>,
  plan: Pick<Plan, 'kind' | 'rules' | 'roots'>,
): readonly Placed[] {
  const roots = new Map(plan.roots.map(({ root, to }) => [root, to]))
  const placed = manifest.entries.flatMap((entry): Placed[] => {
    const root = roots.get(entry.root)
    if (root === undefined || !travels(plan, entry.travel)) return []
    const path = pathFromBytes(entry.path)
    if (entry.root === 'home' && path === '') return []
    return [{ entry, absolute: path === '' ? root : `${root}/${path}` }]
  })
  return placed.toSorted((a, b) => (a.absolute < b.absolute ? -1 : 1))
}

/**
 * @param own the agent's own state directory, which is not to be renamed away.
 * @param mark goes into the names of stages and rollback copies.
 * @throws OcmError 'plan-blocked'
 */
export async function unitsFor(
  placed: readonly Placed[],
  plan: Pick<Plan, 'roots'>,
  own: string,
  mark: { readonly stage: string; readonly before: string },
): Promise<readonly Unit[]> {
  const home = plan.roots.find(({ root }) => root === 'home')?.to
  const rootsInUse = new Set(placed.map(({ entry }) => entry.root))
  const seeds = [
    ...plan.roots.filter(({ root }) => root !== 'home' && rootsInUse.has(root)).map(({ to }) => to),
    ...outermost(placed.flatMap((p) => (p.entry.root === 'home' ? [p.absolute] : []))),
  ]
  const targets = outermost(await Promise.all(outermost(seeds).map(topmostMissing)))
  const mounts = await mountPoints()
  const units: Unit[] = []
  for (const target of targets) {
    const live = await resolved(target)
    if (home !== undefined && isWithin(target, home)) throw blocked('home-inside')
    if (isWithin(live, own)) throw blocked('agent-inside')
    await checkRenamable(live, mounts)
    units.push({
      target,
      live,
      stage: `${live}.ocm-stage-${mark.stage}`,
      before: `${live}.ocm-before-${mark.before}`,
    })
  }
  const lives = units.map((unit) => unit.live)
  if (outermost(lives).length !== units.length) throw blocked('roots-overlap')
  return units
}

export const blocked = (why: string) => new OcmError('plan-blocked', { why })

/** Paths that lie in no other of them, each once. */
export function outermost(paths: readonly string[]): readonly string[] {
  const kept: string[] = []
  for (const path of [...new Set(paths)].toSorted((a, b) => a.length - b.length)) {
    if (!kept.some((above) => isWithin(above, path))) kept.push(path)
  }
  return kept
}

export async function topmostMissing(path: string): Promise<string> {
  let topmost = path
  while (parentOf(topmost) !== '/' && !(await exists(parentOf(topmost))))
    topmost = parentOf(topmost)
  return topmost
}

const real = async (path: string): Promise<string> =>
  pathFromBytes(await realpath(onDisk(path), { encoding: 'buffer' }))

export async function resolved(path: string): Promise<string> {
  if (await exists(path)) return real(path)
  return `${await real(parentOf(path))}/${nameOf(path)}`
}

/** A mount point cannot be renamed, and a rename does not leave its filesystem: better known before anything stops. */
export async function checkRenamable(live: string, mounts: ReadonlySet<string>): Promise<void> {
  const above = await statOf(parentOf(live))
  if (!above?.isDirectory()) throw blocked('not-a-directory')
  const here = await statOf(live)
  if (mounts.has(live) || (here && here.dev !== above.dev)) throw blocked('mount-point')
  try {
    await access(onDisk(parentOf(live)), constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new OcmError('plan-blocked', { why: 'not-writable' }, { cause })
  }
}

const unescaped = (name: string) =>
  name.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )

/** Empty where the kernel does not list them. */
export async function mountPoints(): Promise<ReadonlySet<string>> {
  const path = '/proc/self/mountinfo'
  if (!(await exists(path))) return new Set()
  const lines = (await readFile(path, 'latin1')).split('\n')
  return new Set(
    lines.map((line) => pathFromBytes(Buffer.from(unescaped(line.split(' ')[4] ?? ''), 'latin1'))),
  )
}

const BLOCK = 4096
/** Beside the contents: directories, and what databases grow by while they are rewritten and looked at. */
const SPARE = { share: 0.05, bytes: 16 * 1024 * 1024 } as const

/**
 * Before the first byte is written.
 * @param copy a path beside which a copy of everything is to be made.
 * @throws OcmError 'disk-full'
 */
export async function checkSpace(
  units: readonly Unit[],
  placed: readonly Placed[],
  copy?: string,
): Promise<void> {
  const need = new Map<number, { bytes: number; at: string }>()
  const add = async (at: string, bytes: number) => {
    const device = (await statOf(at))?.dev ?? 0
    need.set(device, { bytes: (need.get(device)?.bytes ?? 0) + bytes, at })
  }
  let all = 0
  for (const unit of units) {
    const own = placed
      .filter(({ absolute }) => isWithin(unit.target, absolute))
      .reduce((sum, { entry }) => sum + BLOCK + Math.ceil(entry.size / BLOCK) * BLOCK, 0)
    all += own
    await add(parentOf(unit.live), own)
  }
  const beside = copy === undefined ? undefined : units.find(({ target }) => isWithin(target, copy))
  if (beside) await add(parentOf(beside.live), all)
  for (const { bytes, at } of need.values()) {
    const { bavail, bsize } = await statfs(onDisk(at))
    const needBytes = Math.ceil(bytes * (1 + SPARE.share)) + SPARE.bytes
    const freeBytes = bavail * bsize
    if (freeBytes < needBytes) throw new OcmError('disk-full', { needBytes, freeBytes })
  }
}

/** Where a path of the new layout lies while it is staged; a path outside of all units stays as it is. */
export function stagedAt(units: readonly Unit[], absolute: string): string {
  const unit = units.find(({ target }) => isWithin(target, absolute))
  return unit ? unit.stage + absolute.slice(unit.target.length) : absolute
}
