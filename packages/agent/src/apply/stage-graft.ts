/**
 * Stages chosen parts: what is carried whole lies beside its place, the files that parts are taken from lie in a room
 * of their own. What everything on the target shares is put together when its gateway has stopped, so that nothing it
 * writes until then is lost; here it is only tried whether that can be done.
 */
import { constants } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import {
  type Entry,
  type Graft,
  type Layout,
  type Manifest,
  OcmError,
  type Plan,
  absoluteOf,
  carriedWith,
  goesAlong,
  isWithin,
  pathFromBytes,
} from '@ocm/protocol'
import type { GraftRequest, Grafted, Staged } from '../installation.port.ts'
import { checkEntries } from '../reading/entries.ts'
import { stageTrees } from '../reading/staging.ts'
import type { PackSource } from '../reading/write-files.ts'
import { exists, fsyncDirectory, onDisk, removeTree, withOpen } from './disk.ts'
import type { GraftMemory, TargetRecord } from './journal.ts'
import { checkDamages, counter } from './staging-told.ts'
import {
  type Placed,
  type Unit,
  blocked,
  checkRenamable,
  checkSpace,
  mountPoints,
  outermost,
  resolved,
  stagedAt,
  topmostMissing,
} from './units.ts'
import { type Work, report } from './work.ts'

interface Source {
  readonly manifest: Manifest
  readonly packs: PackSource
}

/** @throws OcmError as `stageBase` does, and 'graft-place-taken', 'config-not-editable', 'graft-config-unreadable' */
export async function stageGraft(
  work: Work,
  before: TargetRecord,
  { manifest, packs }: Source,
  plan: Plan,
  here: Layout,
): Promise<TargetRecord> {
  const { job } = before
  const { graft } = plan
  const { grafting } = work.installation
  if (graft === undefined || grafting === undefined) throw blocked('graft')
  const room = `${await resolved(here.roots['state'] as string)}/.ocm-graft-${job}`
  const carried = placeCarried(manifest, plan, graft)
  const shared = placeShared(manifest, plan, graft, here, room)
  const units = await unitsForGraft(work, carried, plan, room, job)
  const parts = {
    target: `${room}/parts`,
    live: `${room}/parts`,
    stage: `${room}/parts`,
    before: '',
  }
  const memory: GraftMemory = {
    room,
    graft,
    from: manifest.layout,
    // Where a path of the snapshot is, and nowhere else: the target has more of its own.
    to: { ...here, roots: Object.fromEntries(plan.roots.map(({ root, to }) => [root, to])) },
    rules: plan.rules,
    choices: plan.choices,
    theirs: manifest.inventory,
    carried: units,
    shared: shared.map(({ entry, absolute, live }) => ({
      absolute: live,
      at: absolute,
      kind: entry.kind === 'database' ? 'database' : 'file',
    })),
    databases: carried.flatMap(({ entry, absolute }) =>
      entry.kind === 'database' ? [absolute] : [],
    ),
  }
  const scraps = [parts.stage, `${room}/rehearsal`, ...units.map(({ stage }) => stage)]
  const record = await work.journal.write<TargetRecord>({
    ...before,
    scraps: [...new Set([...before.scraps, ...scraps])],
    graft: memory,
  })
  for (const scrap of scraps) await removeTree(scrap)
  await mkdir(onDisk(`${room}/stage`), { recursive: true, mode: 0o700 })
  const all = [...carried, ...shared]
  const trees = [...units, parts].map((unit) => ({
    root: unit.stage,
    items: all.flatMap(({ entry, absolute }) =>
      isWithin(unit.target, absolute)
        ? [{ path: absolute.slice(unit.target.length + 1), entry }]
        : [],
    ),
  }))
  for (const { items } of trees) checkEntries(items)
  await checkSpace([...units, parts], all)
  const progress = counter(work, job, all)
  const staging = stageTrees(work.p, trees)
  try {
    const damages = await staging.write(packs, { progress: (bytes) => progress.add(bytes) })
    checkDamages(work, job, plan, damages)
    const lost = new Set(damages.map(({ entry }) => entry))
    const files = carried.flatMap(({ entry, absolute }): Staged['files'] =>
      entry.kind === 'directory' || lost.has(entry)
        ? []
        : [{ absolute, kind: entry.kind, section: entry.section }],
    )
    const request = requestOf(memory, plan.port.to, `${room}/rehearsal`, files)
    report(work, job, 'rewriting')
    const { changed } = await work.installation.rewrite(request.staged)
    await grafting.rename(request)
    say(work, job, 'Rewritten', changed)
    const rehearsed = await grafting.merge(request)
    report(work, job, 'validating')
    await grafting.validate(request, rehearsed)
    await removeTree(request.into)
    await staging.seal()
    return await work.journal.write<TargetRecord>({
      ...record,
      state: 'staged',
      units,
      layout: layoutAfter(here, plan),
      inventory: rehearsed.inventory,
      bytes: progress.total,
      lost: damages.length,
    })
  } finally {
    await staging.end()
  }
}

/** When nothing writes any more: the files that everything shares, with the parts in them, as units of the swap. */
export async function mergeStaged(work: Work, record: TargetRecord): Promise<TargetRecord> {
  const { graft: memory, job, layout } = record
  const { grafting } = work.installation
  if (memory === undefined || grafting === undefined || layout === null) throw blocked('graft')
  const { room } = memory
  const into = `${room}/fresh`
  await removeTree(into)
  await mkdir(onDisk(`${room}/before`), { recursive: true, mode: 0o700 })
  report(work, job, 'rewriting')
  const merged = await grafting.merge(requestOf(memory, layout.port, into, databasesOf(memory)))
  say(work, job, 'Put among what is here', merged.changed)
  for (const { fresh } of merged.files) {
    await withOpen(fresh, constants.O_RDONLY, (handle) => handle.sync())
  }
  await fsyncDirectory(into)
  await fsyncDirectory(room)
  const units = [...memory.carried, ...(await unitsOf(merged, memory))]
  return work.journal.write<TargetRecord>({ ...record, units, inventory: merged.inventory })
}

async function unitsOf({ files }: Grafted, { room }: GraftMemory): Promise<readonly Unit[]> {
  const units: Unit[] = []
  for (const [n, { absolute, fresh }] of files.entries()) {
    const live = await resolved(absolute)
    const isInside = isWithin(room.slice(0, room.lastIndexOf('/')), live)
    if (!isInside) throw blocked('outside-state')
    units.push({ target: absolute, live, stage: fresh, before: `${room}/before/file-${n}` })
  }
  return units
}

/** Everything that was staged, as the installation sees it; it can be made again from the journal alone. */
function requestOf(
  memory: GraftMemory,
  port: number,
  into: string,
  carried: Staged['files'],
): GraftRequest {
  const shared = new Map(memory.shared.map(({ absolute, at }) => [absolute, at]))
  return {
    staged: {
      from: memory.from,
      to: memory.to,
      at: (absolute) => shared.get(absolute) ?? stagedAt(memory.carried, absolute),
      files: [
        ...carried,
        ...memory.shared.map(({ absolute, kind }) => ({
          absolute,
          kind,
          section: 'gateway' as const,
        })),
      ],
      rules: memory.rules,
      choices: memory.choices,
      port,
    },
    graft: memory.graft,
    theirs: memory.theirs,
    into,
  }
}

const databasesOf = ({ databases }: GraftMemory): Staged['files'] =>
  databases.map((absolute) => ({ absolute, kind: 'database', section: 'history' }))

const layoutAfter = (here: Layout, plan: Plan): Layout => ({
  ...here,
  roots: {
    ...here.roots,
    ...Object.fromEntries(plan.roots.map(({ root, to }) => [root, to])),
  },
})

function placeCarried(manifest: Manifest, plan: Plan, graft: Graft): readonly Placed[] {
  const placed = manifest.entries.flatMap((entry): Placed[] => {
    if (!goesAlong(plan, entry)) return []
    const around = carriedWith(graft, entry)
    if (around === undefined) return []
    const path = pathFromBytes(entry.path)
    const rest = around.path === '' ? path : path.slice(around.path.length + 1)
    return [{ entry, absolute: rest === '' ? around.to : `${around.to}/${rest}` }]
  })
  return placed.toSorted((a, b) => (a.absolute < b.absolute ? -1 : 1))
}

interface Shared extends Placed {
  /** Where it would lie if it were carried: by this its paths are understood. */
  readonly live: string
}

function placeShared(
  manifest: Manifest,
  plan: Plan,
  graft: Graft,
  here: Layout,
  room: string,
): readonly Shared[] {
  return manifest.entries.flatMap((entry: Entry): Shared[] => {
    const isCarried = carriedWith(graft, entry) !== undefined
    if (entry.kind === 'directory' || isCarried || !goesAlong(plan, entry)) return []
    const path = pathFromBytes(entry.path)
    const live = absoluteOf(here, { root: entry.root, path })
    // A file of the configuration that lies elsewhere is missed by whoever reads it.
    if (live === undefined) return []
    return [{ entry, live, absolute: `${room}/parts/${entry.root.replace(':', '-')}/${path}` }]
  })
}

/** @throws OcmError 'graft-place-taken', 'plan-blocked' */
async function unitsForGraft(
  work: Work,
  placed: readonly Placed[],
  { graft, kind }: Plan,
  room: string,
  job: string,
): Promise<readonly Unit[]> {
  const used = (graft?.carried ?? [])
    .map(({ to }) => to)
    .filter((to) => placed.some(({ absolute }) => isWithin(to, absolute)))
  const places = outermost(used)
  for (const place of kind === 'clone' ? places : []) {
    if (!(await exists(place))) continue
    work.hub.log(job, `Something lies already at ${place}.`)
    throw new OcmError('graft-place-taken')
  }
  const state = room.slice(0, room.lastIndexOf('/'))
  const mounts = await mountPoints()
  const units: Unit[] = []
  for (const target of outermost(await Promise.all(places.map(topmostMissing)))) {
    const live = await resolved(target)
    if (isWithin(live, work.stateDir)) throw blocked('agent-inside')
    await checkRenamable(live, mounts)
    const n = units.length
    units.push(
      isWithin(state, live)
        ? { target, live, stage: `${room}/stage/${n}`, before: `${room}/before/${n}` }
        : {
            target,
            live,
            stage: `${live}.ocm-stage-${job}`,
            before: `${live}.ocm-before-${job}`,
          },
    )
  }
  return units
}

function say(work: Work, job: string, what: string, changed: Readonly<Record<string, number>>) {
  const counts = Object.entries(changed).map(([name, count]) => `${name} ${count}`)
  work.hub.log(job, `${what}: ${counts.join(', ') || 'nothing'}.`)
}
