import { expect, it } from 'vitest'
import { concat } from '../bytes.ts'
import { RecordReader, writeRecord } from './records.ts'

it('gives back the records of a stream, wherever it was cut', () => {
  const records = [1, 2, 300, 65_535].map((length) => new Uint8Array(length).fill(length & 255))
  const stream = concat(...records.map(writeRecord))
  for (const step of [1, 7, 1_000, stream.length]) {
    const reader = new RecordReader()
    const read: Uint8Array[] = []
    for (let at = 0; at < stream.length; at += step) {
      read.push(...reader.push(stream.subarray(at, at + step)))
    }
    expect(read).toEqual(records)
  }
})

it('refuses a record without bytes, and to write one or one too long', () => {
  expect(() => new RecordReader().push(Uint8Array.of(0, 0))).toThrow(
    expect.objectContaining({ code: 'malformed' }),
  )
  for (const length of [0, 65_536]) {
    expect(() => writeRecord(new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: 'internal' }),
    )
  }
})
