/** What costs the files that need the pack, and not the work. */
import { OcmError } from '@ocm/protocol'

/** @returns undefined for an error that is not about stored bytes. */
export function damageOf(error: unknown): 'pack-damaged' | 'pack-missing' | undefined {
  if (!(error instanceof OcmError)) return undefined
  switch (error.code) {
    case 'pack-damaged':
    case 'pack-missing':
      return error.code
    // One flipped bit makes a later format of a pack; a snapshot of one says so in its root.
    case 'version-unsupported':
      return 'pack-damaged'
    default:
      return undefined
  }
}
