/** Why an archive is refused. Facts name the entry by its number: names come from strangers. */
import { OcmError } from '@ocm/protocol'

/** @param entry its number from 1, 0 when it is not about one. */
export const refused = (why: string, entry = 0): OcmError =>
  new OcmError('archive-refused', entry === 0 ? { why } : { why, entry })

export const tooLarge = (what: string, limit: number): OcmError =>
  new OcmError('archive-too-large', { what, limit })
