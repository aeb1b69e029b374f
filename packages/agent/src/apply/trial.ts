/**
 * The muted trial: before a source is fenced, a copy of what is staged is made at home in a directory of its own and
 * OpenClaw is started on it there. The stage itself is not touched, because a start changes what it runs on.
 */
import { constants } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { type Layout, OcmError, isWithin, pathFromBytes, rulesBetween } from '@ocm/protocol'
import type { Staged, Tried } from '../installation.port.ts'
import type { TrialOutcome } from './asked.ts'
import { compareInventories } from './compare.ts'
import { onDisk, parentOf, removeTree } from './disk.ts'
import type { TargetRecord } from './journal.ts'
import { type Unit, resolved } from './units.ts'
import { type Held, type Work, report } from './work.ts'

const READY_MS = 240_000

/**
 * @returns the outcome, and the record that has it; what was made for it is gone.
 * @throws OcmError 'trial-failed' when it lacks what was captured or the network that was promised, 'trial-unanswered',
 * 'disk-full', 'job-cancelled'
 */
export async function tryStaged(
  work: Work,
  { staged, plan, isAlone }: Held,
  record: TargetRecord,
  signal: AbortSignal,
): Promise<{ readonly outcome: TrialOutcome; readonly tried: TargetRecord }> {
  // What is put among what is live has nothing of its own that could be started.
  if (record.graft) return { outcome: SKIPPED, tried: await write(work, record, '', SKIPPED) }
  if (!staged || !plan || record.layout === null) throw new OcmError('internal', { what: 'stage' })
  const { job } = record
  if (plan.choices.trial === false) {
    return { outcome: SKIPPED, tried: await write(work, record, '', SKIPPED) }
  }
  const directory = await directoryFor(record.units, record.layout, job)
  const begun = await write(
    work,
    { ...record, scraps: [...new Set([...record.scraps, directory])] },
    directory,
    null,
  )
  try {
    await endTrial(work, begun)
    const live = [record.layout.port, (await work.installation.layout()).port]
    const port = await work.installation.portForTrial(live)
    const layout = layoutBelow(directory, record.layout, port)
    await copyUnits(work, record, directory)
    signal.throwIfAborted()
    await work.installation.rewrite(copyOf(staged, layout, directory))
    report(work, job, 'trying')
    const began = work.now()
    const found = await work.installation.tryTree(
      { directory, layout, from: record.layout, ...(isAlone && { isPromised: true as const }) },
      work.readyTimeoutMs ?? READY_MS,
      signal,
    )
    const seconds = Math.round((work.now() - began) / 1000)
    const outcome = judge(work, record, found, seconds)
    return { outcome, tried: await write(work, begun, directory, outcome) }
  } finally {
    await endTrial(work, begun)
  }
}

const SKIPPED: TrialOutcome = { ready: false, inventoryEqual: null, isolated: false, skipped: true }

const write = (
  work: Work,
  record: TargetRecord,
  directory: string,
  outcome: TrialOutcome | null,
): Promise<TargetRecord> =>
  work.journal.write<TargetRecord>({ ...record, trial: { directory, outcome } })

/** Removes every trace of a trial, also of one that a crash has cut off. */
export async function endTrial(work: Work, { trial }: TargetRecord): Promise<void> {
  if (!trial || trial.directory === '') return
  await work.installation.endTrial(trial.directory)
  await removeTree(trial.directory)
}

/** Beside the state directory, on its disk; short, because names of sockets are. */
async function directoryFor(
  units: readonly Unit[],
  { roots }: Layout,
  job: string,
): Promise<string> {
  const state = roots['state'] as string
  const live = units.find(({ target }) => isWithin(target, state))?.live ?? (await resolved(state))
  return `${parentOf(live)}/.ocm-trial-${job.slice(0, 8)}`
}

/** What lies in the home lies in the copy's home at the same place, everything else below a root of its own. */
function below(directory: string, home: string, absolute: string): string {
  if (home === '/') return `${directory}/home${absolute}`
  return isWithin(home, absolute)
    ? `${directory}/home${absolute.slice(home.length)}`
    : `${directory}/root${absolute}`
}

const layoutBelow = (directory: string, layout: Layout, port: number): Layout => ({
  ...layout,
  roots: Object.fromEntries(
    Object.entries(layout.roots).map(([root, absolute]) => [
      root,
      below(directory, layout.roots['home'] as string, absolute),
    ]),
  ),
  port,
})

/** The copy as something to be rewritten: from where it is to live to where it lies. Nothing is left out or made new. */
function copyOf(staged: Staged, layout: Layout, directory: string): Staged {
  const home = staged.to.roots['home'] as string
  return {
    from: staged.to,
    to: layout,
    at: (absolute) => absolute,
    files: staged.files.map((file) => ({
      ...file,
      absolute: below(directory, home, file.absolute),
    })),
    rules: rulesBetween(staged.to, layout),
    choices: { ...staged.choices, kind: 'move', cron: 'keep', gatewayToken: 'keep' },
    port: layout.port,
  }
}

async function copyUnits(work: Work, record: TargetRecord, directory: string): Promise<void> {
  const { job, units, bytes } = record
  const home = (record.layout as Layout).roots['home'] as string
  report(work, job, 'copying', 0, bytes, 'bytes')
  await removeTree(directory)
  await mkdir(onDisk(directory), { mode: 0o700 })
  let done = 0
  let shown = 0
  const copied = (size: number) => {
    done += size
    if (done - shown < Math.max(bytes / 100, 1024 * 1024)) return
    shown = done
    report(work, job, 'copying', Math.min(done, bytes), bytes, 'bytes')
  }
  for (const { target, stage } of units) {
    const to = below(directory, home, target)
    await mkdir(onDisk(parentOf(to)), { recursive: true, mode: 0o700 })
    await copyTree(stage, to, copied)
  }
}

/**
 * Bytes of its own for every file, shared only where the disk keeps them apart as soon as one side writes. Its owner may
 * write everywhere: the stage was rewritten before it got its permissions, the copy is rewritten when it has them.
 */
async function copyTree(from: string, to: string, copied: (bytes: number) => void): Promise<void> {
  const stat = await lstat(onDisk(from))
  if (stat.isSymbolicLink()) {
    await symlink(await readlink(onDisk(from), { encoding: 'buffer' }), onDisk(to))
  } else if (stat.isDirectory()) {
    await mkdir(onDisk(to), { mode: 0o700 })
    for (const name of await readdir(onDisk(from), { encoding: 'buffer' })) {
      const inside = pathFromBytes(name)
      await copyTree(`${from}/${inside}`, `${to}/${inside}`, copied)
    }
    await chmod(onDisk(to), (stat.mode & 0o7777) | 0o700)
  } else {
    await copyFile(onDisk(from), onDisk(to), constants.COPYFILE_FICLONE)
    if ((stat.mode & 0o600) !== 0o600) await chmod(onDisk(to), (stat.mode & 0o7777) | 0o600)
    copied(stat.size)
  }
}

function judge(
  work: Work,
  { job, inventory, kind, bare }: TargetRecord,
  tried: Tried,
  seconds: number,
): TrialOutcome {
  const { ready, isolated } = tried
  const network = isolated ? 'in a network of its own' : 'without a network of its own'
  if (!ready) {
    work.hub.log(job, `Tried ${network}: not ready after ${seconds} s. It said: ${tried.words}`)
    return { ready, inventoryEqual: null, isolated }
  }
  work.hub.log(job, `Tried ${network}: ready after ${seconds} s.`)
  const { pluginsMissing } = tried
  if (pluginsMissing.length > 0) {
    const names = pluginsMissing.join(', ')
    work.hub.log(
      job,
      `Plugins whose files are not here, and do not come along: ${names}. Install them here before you go on, or afterwards: openclaw plugins install.`,
    )
  }
  if (inventory === null || tried.inventory === null)
    return { ready, inventoryEqual: null, isolated }
  const { equal, lost, missing } = compareInventories(inventory, tried.inventory, kind)
  const { cronAsked } = tried
  const unseen = inventory.cron.filter(
    (one) => one.user && cronAsked !== null && !cronAsked.includes(one.id),
  )
  if (lost.length > 0) work.hub.log(job, `Missing in the trial: ${lost.join('; ')}`)
  if (unseen.length > 0) {
    const names = unseen.map(({ id, name }) => `${name} (${id})`)
    work.hub.log(job, `Cron jobs that the gateway on the copy does not list: ${names.join('; ')}`)
  }
  const count = missing.length + unseen.length
  if (count > 0) throw new OcmError('trial-failed', { why: 'inventory', count })
  return {
    ready,
    inventoryEqual: equal && pluginsMissing.length === 0 && bare === undefined,
    isolated,
  }
}
