/**
 * What this node is in the middle of, one directory a job. Every record replaces the one before it and is durable when
 * `write` answers; so whatever it says has been decided, also after a power cut. Keys and grants are never in it.
 */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Choices,
  type Graft,
  type Inventory,
  type Layout,
  type Order,
  OcmError,
  type RewriteRule,
  fromUtf8,
} from '@ocm/protocol'
import { readDurable, writeDurable } from '../store/durable.ts'
import type { Activated, TrialOutcome } from './asked.ts'
import type { Continued } from './continues.ts'
import type { Rename } from './renames.ts'
import type { Unit } from './units.ts'

/** A gateway as it ran before the job. */
export interface GatewayMemory {
  readonly ran: boolean
  /** JSON of `Gateway.remember`. */
  readonly remembered: unknown
  readonly layout: Layout
}

/**
 * `stopping`: nothing renamed yet. `rolling-back` is left for `aborted` alone. `committed`, `aborted` and `undone` are
 * final, but the newest that is committed can be undone: `undoing` is left for `undone`, or for `redoing` and `committed`.
 */
export type TargetState =
  | 'prepared'
  | 'staged'
  | 'stopping'
  | 'swapping'
  | 'swapped'
  | 'spoke'
  | 'rolling-back'
  | 'committed'
  | 'aborted'
  | 'undoing'
  | 'redoing'
  | 'undone'

/** How an undo goes about it. */
export interface Undoing {
  /** The undo's own job, and the hash of its statement: it is used once. */
  readonly job: string
  readonly order: string
  /** The gateway that runs on what was applied; null when the undo is over. */
  readonly gateway: GatewayMemory | null
  /** What goes along with the new tree beside the renames of the apply; null while nothing is renamed. */
  readonly sides: readonly Rename[] | null
  /** Why it was given up; '' otherwise. */
  readonly code: string
}

/** All that it takes to put staged parts among what is live, as soon as nothing writes to it any more. */
export interface GraftMemory {
  /** A directory below the state directory, gone when the next apply has succeeded. */
  readonly room: string
  readonly graft: Graft
  readonly from: Layout
  readonly to: Layout
  readonly rules: readonly RewriteRule[]
  readonly choices: Choices
  readonly theirs: Inventory | null
  /** What is carried whole. */
  readonly carried: readonly Unit[]
  /** What parts are taken from: by where it would live, and where it lies. */
  readonly shared: readonly {
    readonly absolute: string
    readonly at: string
    readonly kind: 'file' | 'database'
  }[]
  /** Of what is carried. */
  readonly databases: readonly string[]
}

/** A trial that was begun; without an outcome it was cut off, or is at work. */
export interface TrialRecord {
  /** '' when there was none to be made. */
  readonly directory: string
  readonly outcome: TrialOutcome | null
}

export interface TargetRecord {
  readonly v: 1
  readonly role: 'target'
  readonly job: string
  readonly kind: Order['kind']
  readonly state: TargetState
  /** Hash of the ORDER; an order is used once. */
  readonly order: string
  readonly source: string
  /** What is applied: the base, and from its FENCED on the final snapshot of a move; absent in older records. */
  readonly snapshot?: string
  /** Of a move: the source is attested to be off, so there may be no FENCED. */
  readonly unfenced?: true
  /** Public key of the source, base64url. */
  readonly sourceKey: string
  readonly fenceEpoch: number
  /** What is staged to become live. */
  readonly units: readonly Unit[]
  /** Paths that are to be gone when the job is over. */
  readonly scraps: readonly string[]
  readonly layout: Layout | null
  /** What OpenClaw listed when the snapshot was captured, without what does not come along. */
  readonly inventory: Inventory | null
  readonly bytes: number
  /** Plugins that come without their dependencies; absent when there are none. */
  readonly bare?: readonly string[]
  /** Files that could not be read and were left out, as the operator had chosen; absent in older records. */
  readonly lost?: number
  /** Only where parts were chosen. */
  readonly graft?: GraftMemory
  /** Not to be activated before a trial found it ready; absent in older records. */
  readonly mustBeTried?: true
  /** From the moment on when a trial was begun, or was found not to be wanted. */
  readonly trial?: TrialRecord
  readonly renames: readonly Rename[]
  readonly gateway: GatewayMemory | null
  /** What an undo goes back to. Not the environment of a process, which may hold secrets. */
  readonly before?: Omit<GatewayMemory, 'remembered'> & {
    readonly continued: Continued | null
    /** Of a unit that the apply has made, which an undo takes away. */
    readonly newUnit?: unknown
  }
  /** Rises with every apply that was carried out here. */
  readonly applied?: number
  readonly undo?: Undoing
  /** Hash of the FENCED statement of a move. */
  readonly fenced: string | null
  /** The SPEAK of a move, base64url: decided, though not yet sent. */
  readonly speak: string | null
  /** Why it is rolled back or was aborted; '' otherwise. */
  readonly code: string
  readonly outcome: (Omit<Activated, 'outcome'> & { readonly outcome: string }) | null
}

/**
 * `put-back`: cut off before FENCED was said, so it runs again and may be asked again. `superseded`: another snapshot
 * was applied here since.
 */
export type SourceState =
  | 'stopping'
  | 'fenced'
  | 'putting-back'
  | 'put-back'
  | 'releasing'
  | 'released'
  | 'superseded'

export interface SourceRecord {
  readonly v: 1
  readonly role: 'source'
  readonly job: string
  readonly state: SourceState
  readonly order: string
  readonly fenceEpoch: number
  readonly target: string
  /** Public key of the target, base64url. */
  readonly targetKey: string
  readonly stateDirectory: string
  /** Where the state directory is put. */
  readonly kept: string
  /**
   * To run it again when it is released, which may be much later. It holds the environment of a gateway that no service
   * manager runs, because nothing else knows it any more; it goes when the fence is over. Whoever reads it can read the
   * state directory that lies beside it too.
   */
  readonly gateway: GatewayMemory | null
  /** The FENCED statement, base64url; null until it is decided. */
  readonly fenced: string | null
  /** By this node's clock: how long a word of the target is waited for with haste. Absent in older records. */
  readonly fencedAt?: number
  /** The job that took the place of the one it was fenced under. */
  readonly supersededBy?: string
  /** An operator attested that it was off, and its target speaks: it is never put back because its fence fails. */
  readonly unfenced?: true
  /** Hash of the statement by which an operator let it go without the target's word. */
  readonly letGoBy?: string
}

export type JobRecord = TargetRecord | SourceRecord

export interface Journal {
  all(): Promise<readonly JobRecord[]>
  target(job: string): Promise<TargetRecord | undefined>
  source(job: string): Promise<SourceRecord | undefined>
  write<T extends JobRecord>(record: T): Promise<T>
  /**
   * Forgets jobs that are over, but for the newest few and those that `keeps` asks for. What is forgotten cannot come
   * again: an order names an offer that is used up, a fence an epoch that was seen.
   */
  prune(keeps: (record: JobRecord) => boolean): Promise<void>
}

/** So many that a hub which was away may still ask how they ended. */
const KEPT_JOBS = 16

/** @param stateDir the agent's own state directory. */
export function openJournal(stateDir: string): Journal {
  const folder = join(stateDir, 'journal')
  const fileOf = (job: string, role: JobRecord['role']) => join(folder, job, `${role}.json`)

  return {
    async all() {
      const jobs = await namesIn(folder)
      const records: JobRecord[] = []
      for (const job of jobs.toSorted()) {
        for (const role of ['target', 'source'] as const) {
          const record = await read(fileOf(job, role))
          if (record) records.push(record)
        }
      }
      return records
    },
    target: async (job) => (await read(fileOf(job, 'target'))) as TargetRecord | undefined,
    source: async (job) => (await read(fileOf(job, 'source'))) as SourceRecord | undefined,
    async prune(keeps) {
      const over: { readonly job: string; readonly at: number }[] = []
      for (const job of await namesIn(folder)) {
        const files = [fileOf(job, 'target'), fileOf(job, 'source')]
        const records = (await Promise.all(files.map(read))).filter((one) => one !== undefined)
        if (records.some(keeps)) continue
        const times = await Promise.all(
          (await readdir(join(folder, job))).map(
            async (name) => (await stat(join(folder, job, name))).mtimeMs,
          ),
        )
        over.push({ job, at: Math.max(0, ...times) })
      }
      const old = over.toSorted((a, b) => b.at - a.at).slice(KEPT_JOBS)
      for (const { job } of old) await rm(join(folder, job), { recursive: true })
    },
    async write(record) {
      await writeDurable(fileOf(record.job, record.role), JSON.stringify(record, null, 1))
      return record
    },
  }
}

async function read(path: string): Promise<JobRecord | undefined> {
  const bytes = await readDurable(path)
  if (bytes === undefined) return undefined
  let record: JobRecord
  try {
    record = JSON.parse(fromUtf8(bytes)) as JobRecord
  } catch (cause) {
    throw new OcmError('malformed', { what: 'journal' }, { cause })
  }
  if (record.v !== 1) throw new OcmError('version-unsupported', { what: 'journal' })
  return record
}

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
