/** The hub, as far as a capture needs it. */
import type { PackClass, PackId, SnapshotId, JobId, LinkEvents } from '@ocm/protocol'

export interface CaptureHub {
  /** Which of these packs the hub does not hold. */
  missing(ids: readonly PackId[]): Promise<readonly PackId[]>
  /** Answers when the pack is durable there. */
  put(id: PackId, packClass: PackClass, bytes: Uint8Array): Promise<void>
  /**
   * @param header the signed statement.
   * @returns the snapshot, or null and which packs the hub lacks: then nothing was committed.
   * @throws OcmError 'snapshot-refused'
   */
  commit(
    job: JobId,
    header: Uint8Array,
  ): Promise<{ readonly snapshot: SnapshotId | null; readonly missing: readonly PackId[] }>
  /** The statement of the newest header the hub has of this node. */
  head(): Promise<Uint8Array | null>
  progress(phase: Phase, done: number, total: number, unit: 'bytes' | 'items'): void
  /** For operators: may name paths, and has to be sealed on its way. */
  log(text: string): void
}

export type Phase = LinkEvents['job.progress']['phase']
