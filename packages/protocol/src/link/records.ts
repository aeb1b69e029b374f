/** Records in a stream of bytes that keeps no boundaries (stdin and stdout): each behind its length, u16 big-endian. */
import { concat } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { MAX_RECORD } from './transport.ts'

export function writeRecord(record: Uint8Array): Uint8Array {
  if (record.length === 0 || record.length > MAX_RECORD) throw new OcmError('internal')
  return concat(Uint8Array.of(record.length >> 8, record.length & 255), record)
}

export class RecordReader {
  #held: Uint8Array = new Uint8Array()

  /**
   * @returns the records that are whole by now.
   * @throws OcmError 'malformed' for an empty record.
   */
  push(bytes: Uint8Array): readonly Uint8Array[] {
    const all = this.#held.length === 0 ? bytes : concat(this.#held, bytes)
    const records: Uint8Array[] = []
    let at = 0
    while (all.length >= at + 2) {
      const length = ((all[at] as number) << 8) | (all[at + 1] as number)
      if (length === 0) throw new OcmError('malformed', { what: 'record' })
      if (all.length < at + 2 + length) break
      records.push(all.slice(at + 2, at + 2 + length))
      at += 2 + length
    }
    this.#held = all.slice(at)
    return records
  }
}
