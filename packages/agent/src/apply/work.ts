/** What the steps of an apply share, and what they all do alike. */
import {
  type Entry,
  type Grant,
  type KeyPair,
  type LinkEvents,
  OcmError,
  type Plan,
  type TargetFacts,
  base64url,
  fromBase64url,
  makeStatement,
} from '@ocm/protocol'
import type { Staged } from '../installation.port.ts'
import type { Seen } from '../reading/write-files.ts'
import type { Activated } from './asked.ts'
import { removeTree } from './disk.ts'
import type { Journal, TargetRecord } from './journal.ts'
import type { VerifiedOrder } from './orders.ts'
import type { ApplyParts } from './parts.port.ts'

export interface Work extends ApplyParts {
  readonly journal: Journal
}

/** What a job needs and no disk may have: it ends with the job or with the agent. */
export interface Held {
  readonly verified: VerifiedOrder
  readonly jobKey: KeyPair
  /** Whoever approved it was told that a trial here has a network of its own. */
  readonly isAlone: boolean
  /** From the moment on when the order's grant was opened. */
  packKeys?: Grant['packs']
  facts?: TargetFacts
  /** As it was approved: where things go must not change with the last delta. */
  plan?: Plan
  /** The base as it was staged, for a trial. */
  staged?: Staged
  /** What was validated when the base was staged, to see whether the last delta needs it again. */
  validated?: unknown
  /** By absolute path in the new layout: what was staged last and nothing has changed while it was made ready. */
  sealed?: ReadonlyMap<string, { readonly entry: Entry; readonly seen: Seen }>
}

type Progress = LinkEvents['job.progress']

export function report(
  work: Work,
  job: string,
  phase: Progress['phase'],
  done = 0,
  total = 1,
  unit: Progress['unit'] = 'items',
): void {
  work.hub.progress({ job, phase, done, total, unit })
}

/** Errors that pass: the hub asks again when the link is back, and nothing has been decided. */
const PASSING: ReadonlySet<string> = new Set(['link-lost', 'deadline-passed', 'hub-unreachable'])

export const passes = (error: unknown): boolean =>
  error instanceof OcmError && PASSING.has(error.code)

/** Any failure as one that people can read; what it says of names goes to the sealed log. */
export function failure(work: Work, job: string, step: string, error: unknown): OcmError {
  const known = error instanceof OcmError ? error : undefined
  const cause = known ? known.cause : error
  if (cause instanceof Error) work.hub.log(job, `${step}: ${known?.code ?? ''} ${cause.message}`)
  if (known) return known
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  // Node has no name for EDQUOT.
  const isFull =
    code === 'ENOSPC' || (error instanceof Error && 'errno' in error && error.errno === -122)
  if (isFull) return new OcmError('disk-full', { needBytes: 1, freeBytes: 0 }, { cause: error })
  const why = typeof code === 'string' ? code : 'unknown'
  return new OcmError('apply-failed', { step, why }, { cause: error })
}

/** Removes what is staged and whatever else is to be gone; journalled names only, so it is as good after a crash. */
export async function clearScraps(record: TargetRecord): Promise<void> {
  for (const scrap of record.scraps) await removeTree(scrap)
  // Nothing of the old tree is in it any more.
  if (record.graft && record.state === 'aborted') await removeTree(record.graft.room)
}

const statementBody = (work: Work, record: TargetRecord) => ({
  v: 1,
  order: record.order,
  fenced: record.fenced,
  node: work.identity.id,
})

export const makeSpeak = (work: Work, record: TargetRecord): Uint8Array =>
  makeStatement(work.p, 'speak', statementBody(work, record), work.identity.key)

/**
 * Ends a job for good with nothing of it left live, and ABORT decided.
 * @param code why.
 */
export async function abort(work: Work, record: TargetRecord, code: string): Promise<TargetRecord> {
  const body = { ...statementBody(work, record), why: code }
  const statement = makeStatement(work.p, 'abort', body, work.identity.key)
  const aborted = await work.journal.write<TargetRecord>({
    ...record,
    state: 'aborted',
    code,
    // It holds the environment of a process, which may hold secrets.
    gateway: null,
    inventory: null,
    outcome: {
      outcome: base64url(statement),
      spoke: false,
      code,
      inventoryEqual: null,
      startedAt: 0,
    },
  })
  await clearScraps(aborted)
  report(work, record.job, 'finished', 1)
  return aborted
}

export function outcomeOf(record: TargetRecord): Activated {
  if (record.outcome === null) throw new OcmError('internal', { what: 'outcome' })
  return { ...record.outcome, outcome: fromBase64url(record.outcome.outcome) }
}
