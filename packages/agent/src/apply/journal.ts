/**
 * What this node is in the middle of, one directory a job. Every record replaces the one before it and is durable when
 * `write` answers; so whatever it says has been decided, also after a power cut. Keys and grants are never in it.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Inventory, type Layout, type Order, OcmError, fromUtf8 } from '@ocm/protocol'
import { readDurable, writeDurable } from '../store/durable.ts'
import type { Activated } from './apply.ts'
import type { Rename } from './renames.ts'
import type { Unit } from './units.ts'

/** A gateway as it ran before the job. */
export interface GatewayMemory {
  readonly ran: boolean
  /** JSON of `Gateway.remember`. */
  readonly remembered: unknown
  readonly layout: Layout
}

/** `stopping`: nothing renamed yet. `rolling-back` is left for `aborted` alone. The last two are final. */
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

export interface TargetRecord {
  readonly v: 1
  readonly role: 'target'
  readonly job: string
  readonly kind: Order['kind']
  readonly state: TargetState
  /** Hash of the ORDER; an order is used once. */
  readonly order: string
  readonly source: string
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
  /** Files that could not be read and were left out, as the operator had chosen; absent in older records. */
  readonly lost?: number
  readonly renames: readonly Rename[]
  readonly gateway: GatewayMemory | null
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
  readonly gateway: GatewayMemory | null
  /** The FENCED statement, base64url; null until it is decided. */
  readonly fenced: string | null
  /** The job that took the place of the one it was fenced under. */
  readonly supersededBy?: string
}

export type JobRecord = TargetRecord | SourceRecord

export interface Journal {
  all(): Promise<readonly JobRecord[]>
  target(job: string): Promise<TargetRecord | undefined>
  source(job: string): Promise<SourceRecord | undefined>
  write<T extends JobRecord>(record: T): Promise<T>
}

/** @param stateDir the agent's own state directory. */
export function openJournal(stateDir: string): Journal {
  const folder = join(stateDir, 'journal')
  const fileOf = (job: string, role: JobRecord['role']) => join(folder, job, `${role}.json`)

  return {
    async all() {
      const jobs = await readdir(folder).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
        throw error
      })
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
