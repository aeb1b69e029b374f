/** Some ranges of a pack, looked at as the pack. */
import { OcmError, type PackBytes, type PackId } from '@ocm/protocol'
import type { PackOrder } from './orders.ts'

/** @throws OcmError 'pack-damaged' for bytes that are not among the parts. */
export const bytesOf = (pack: PackId, bytes: number, parts: PackOrder['parts']): PackBytes => ({
  bytes,
  read(offset: number, length: number): Uint8Array {
    const part = parts.find(
      (one) => one.offset <= offset && offset + length <= one.offset + one.bytes.length,
    )
    if (!part) throw new OcmError('pack-damaged', { pack })
    return part.bytes.subarray(offset - part.offset, offset - part.offset + length)
  },
})
