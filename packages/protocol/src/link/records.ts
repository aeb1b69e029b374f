/** Records in a stream of bytes that keeps no boundaries (stdin and stdout): each behind its length, u16 big-endian. */
import { concat } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { free } from '../free.ts'
import { MAX_RECORD } from './transport.ts'

/** What stands before a record: its length. @throws OcmError 'internal' for an empty one, or one too long */
function lengthOf(record: Uint8Array): Uint8Array {
  if (record.length === 0 || record.length > MAX_RECORD) throw new OcmError('internal')
  return Uint8Array.of(record.length >> 8, record.length & 255)
}

export const writeRecord = (record: Uint8Array): Uint8Array => concat(lengthOf(record), record)

/** What is needed of a stream of Node. */
export interface Pipe {
  cork(): void
  uncork(): void
  write(bytes: Uint8Array, written?: (error?: Error | null) => void): boolean
}

/**
 * Both parts as one, and none of them copied.
 * @param record is the pipe's from now on: its memory is given back when it is written.
 * @param written called then. A pipe that is gone says so in its own time, and not here.
 */
export function pourRecord(pipe: Pipe, record: Uint8Array, written: () => void): void {
  pipe.cork()
  pipe.write(lengthOf(record))
  pipe.write(record, (error) => {
    if (error) return
    free(record)
    written()
  })
  pipe.uncork()
}

export class RecordReader {
  /** First byte of a length of which the second has not come. */
  #high: number | undefined
  /** Filled as its bytes come, so that each of them is copied once, however a pipe has cut it. */
  #record: Uint8Array | undefined
  #filled = 0

  /**
   * @returns the records that are whole by now, each in memory of its own.
   * @throws OcmError 'malformed' for an empty record.
   */
  push(bytes: Uint8Array): readonly Uint8Array[] {
    const records: Uint8Array[] = []
    for (let at = 0; at < bytes.length;) {
      const record = this.#record
      if (record) {
        const part = bytes.subarray(at, at + record.length - this.#filled)
        record.set(part, this.#filled)
        this.#filled += part.length
        at += part.length
        if (this.#filled < record.length) continue
        this.#record = undefined
        records.push(record)
      } else {
        this.#begin(bytes[at] as number)
        at++
      }
    }
    return records
  }

  #begin(byte: number): void {
    if (this.#high === undefined) {
      this.#high = byte
      return
    }
    const length = (this.#high << 8) | byte
    this.#high = undefined
    if (length === 0) throw new OcmError('malformed', { what: 'record' })
    this.#record = new Uint8Array(length)
    this.#filled = 0
  }
}
