/** What an apply needs of the hub while it is at work. */
import type { LinkEvents } from '@ocm/protocol'

export interface Hub {
  /**
   * `length` bytes of a stored pack from `offset`; fewer only at the end of the pack.
   * @param pack its id. @param into memory of that length that may be used for them. @throws OcmError 'pack-missing', 'link-lost'
   */
  readPack(
    job: string,
    pack: string,
    offset: number,
    length: number,
    into?: Uint8Array,
  ): Promise<Uint8Array>
  progress(report: LinkEvents['job.progress']): void
  /** Text for operators; whoever implements this seals it to the vault. */
  log(job: string, text: string): void
}
