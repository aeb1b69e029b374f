/**
 * Takes the newest apply of this node back, by the renames that made it. Each step is journalled before the next is
 * taken: a crash leaves the tree wholly new or wholly old once the agent has started again. Of a move it ends in an
 * ABORT, decided when nothing of the source runs or lies live here any more; so this node never runs beside the source.
 */
import { OcmError, base64url, fromWireError, makeStatement } from '@ocm/protocol'
import { runAsBefore, strayOf } from './activate.ts'
import { setTakenOver } from './continues.ts'
import { exists, statOf } from './disk.ts'
import type { JobRecord, TargetRecord, Undoing } from './journal.ts'
import { newestApply, restoreFence } from './leftovers.ts'
import { type Rename, swapBack, swapForward } from './renames.ts'
import { SIDES } from './swap.ts'
import { type Work, failure, report } from './work.ts'

const refused = (why: string) => new OcmError('undo-refused', { why })

/**
 * @param order hash of the ORDER that is to be taken back.
 * @returns its record. @throws OcmError 'undo-refused', 'source-fenced'
 */
export async function undoable(
  records: readonly JobRecord[],
  order?: string,
): Promise<TargetRecord> {
  const newest = newestApply(records)
  if (newest === undefined) throw refused('nothing')
  if (order !== undefined && newest.order !== order) {
    const isKnown = records.some((record) => record.role === 'target' && record.order === order)
    throw refused(isKnown ? 'another-apply' : 'nothing')
  }
  if (newest.state !== 'committed' || !newest.before) throw refused('undone')
  // Where it was moved to it goes on with what was applied here.
  const away = records.some(({ role, state }) => role === 'source' && IN_FENCE.has(state))
  if (away) throw new OcmError('source-fenced')
  for (const { to, own } of newest.renames) {
    if (own === 'to' && !(await exists(to))) throw refused('copy-gone')
  }
  return newest
}

/**
 * An undo of that order that was begun under another statement and could not end, or whose ABORT may not have reached the
 * source: it is gone on with, because nothing else would.
 */
export function undoBegun(records: readonly JobRecord[], order?: string): TargetRecord | undefined {
  const newest = newestApply(records)
  if (newest === undefined || (order !== undefined && newest.order !== order)) return undefined
  const { state, kind } = newest
  const isOpen = state === 'undoing' || state === 'redoing'
  return isOpen || (state === 'undone' && kind === 'move') ? newest : undefined
}

const IN_FENCE: ReadonlySet<string> = new Set(['stopping', 'fenced', 'putting-back', 'releasing'])

/** @param committed what `undoable` gave. @param by the undo's own job, and the hash of its statement. */
export async function undo(
  work: Work,
  committed: TargetRecord,
  by: { readonly job: string; readonly order: string },
): Promise<TargetRecord> {
  const { layout } = committed
  if (layout === null) throw new OcmError('internal', { what: 'layout' })
  const gateway = await work.installation.gateway(committed.before?.newUnit)
  const record = await write(work, committed, 'undoing', {
    ...by,
    gateway: {
      ran: await gateway.isRunning(),
      remembered: await gateway.remember(),
      layout,
    },
    sides: null,
    code: '',
  })
  return goOnUndoing(work, record)
}

/** From whatever a crash has left. @throws OcmError why it could not be; the node runs on what was applied */
export async function goOnUndoing(work: Work, record: TargetRecord): Promise<TargetRecord> {
  switch (record.state) {
    case 'undoing':
      return takeBack(work, record)
    case 'redoing':
      return redo(work, record)
    case 'undone':
      return launch(work, record)
    case 'prepared':
    case 'staged':
    case 'stopping':
    case 'swapping':
    case 'swapped':
    case 'spoke':
    case 'rolling-back':
    case 'committed':
    case 'aborted':
      return record
  }
}

/** What is left of the renames after a crash, and nothing that takes long. */
export async function settleUndo(work: Work, record: TargetRecord): Promise<void> {
  if (record.state === 'undoing' && undoingOf(record).sides !== null) await putBack(work, record)
  if (record.state === 'redoing') await putForward(work, record)
}

async function takeBack(work: Work, from: TargetRecord): Promise<TargetRecord> {
  let record = from
  const { job, gateway: memory } = undoingOf(record)
  try {
    const gateway = await work.installation.gateway(memory?.remembered)
    report(work, job, 'stopping')
    await gateway.stop()
    await gateway.mask()
    // A service manager may have started it between the two.
    if (await gateway.isRunning()) await gateway.stop()
    const sides = undoingOf(record).sides ?? (await sidesOf(record))
    record = await write(work, record, 'undoing', { ...undoingOf(record), sides })
    report(work, job, 'swapping')
    await putBack(work, record)
    // What was started meanwhile runs on what was applied, and would speak beside the source.
    if (await gateway.isRunning()) await gateway.stop()
  } catch (error) {
    const { code } = failure(work, job, 'taking back', error)
    return redo(work, await write(work, record, 'redoing', { ...undoingOf(record), code }))
  }
  await restoreFence(work, record)
  await setTakenOver(work.stateDir, record.before?.continued ?? null)
  const abort = makeStatement(work.p, 'abort', abortOf(work, record), work.identity.key)
  record = await work.journal.write<TargetRecord>({
    ...record,
    state: 'undone',
    code: 'undone',
    speak: null,
    outcome: {
      outcome: base64url(abort),
      spoke: false,
      code: 'undone',
      inventoryEqual: null,
      startedAt: 0,
    },
  })
  return launch(work, record)
}

const abortOf = (work: Work, { order, fenced }: TargetRecord) => ({
  v: 1,
  order,
  fenced,
  node: work.identity.id,
  why: 'undone',
})

/** The gateway as it was before the apply; the environment of the one before is that of the one that was stopped. */
async function launch(work: Work, record: TargetRecord): Promise<TargetRecord> {
  const { job, gateway: memory } = undoingOf(record)
  if (memory === null) return record
  report(work, job, 'launching')
  if (record.before) {
    // Of a unit that the apply made this one remembers no text, and does not make it again.
    const gateway = await work.installation.gateway(record.before.newUnit ?? memory.remembered)
    await runAsBefore(work, { ...record.before, remembered: memory.remembered }, gateway, job)
  }
  const done = await write(work, record, 'undone', { ...undoingOf(record), gateway: null })
  report(work, job, 'finished', 1)
  return done
}

/** To what was applied, when it could not be taken back. */
async function redo(work: Work, from: TargetRecord): Promise<TargetRecord> {
  const { job, gateway: memory, code } = undoingOf(from)
  report(work, job, 'rolling-back')
  await putForward(work, from)
  if (memory) {
    const gateway = await work.installation.gateway(memory.remembered)
    await runAsBefore(work, memory, gateway, job, 'as-before')
  }
  const record = await write(work, from, 'committed', { ...undoingOf(from), gateway: null })
  report(work, job, 'finished', 1)
  if (code === '') throw new OcmError('internal', { what: 'undo' })
  throw fromWireError({ code, facts: { job: record.job } })
}

/** Nothing runs on what is renamed away. */
async function putBack(work: Work, record: TargetRecord): Promise<void> {
  const { sides, gateway: memory } = undoingOf(record)
  const gateway = await work.installation.gateway(memory?.remembered)
  if (await gateway.isRunning()) await gateway.stop()
  await swapForward(sides ?? [], strayOf(record))
  await swapBack(record.renames, strayOf(record))
}

async function putForward(work: Work, record: TargetRecord): Promise<void> {
  const { sides } = undoingOf(record)
  if (sides === null) return
  await swapForward(record.renames, strayOf(record))
  await swapBack(sides, strayOf(record))
}

/** What SQLite has made beside a database that is a unit of its own; beside the old one it would destroy it. */
async function sidesOf({ units }: TargetRecord): Promise<readonly Rename[]> {
  const sides: Rename[] = []
  for (const { live, stage } of units) {
    if ((await statOf(live))?.isDirectory() ?? true) continue
    for (const side of SIDES) {
      if (await exists(live + side)) sides.push({ from: live + side, to: stage + side, own: 'to' })
    }
  }
  return sides
}

function undoingOf({ undo: undoing }: TargetRecord): Undoing {
  if (!undoing) throw new OcmError('internal', { what: 'undo' })
  return undoing
}

const write = (
  work: Work,
  record: TargetRecord,
  state: 'undoing' | 'redoing' | 'undone' | 'committed',
  undoing: Undoing,
) => work.journal.write<TargetRecord>({ ...record, state, undo: undoing })
