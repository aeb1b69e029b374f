import { expect, it } from 'vitest'
import { concat } from '../bytes.ts'
import { type Pipe, RecordReader, pourRecord, writeRecord } from './records.ts'

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

it('gives back each record in memory of its own, which may be given back by itself', () => {
  const stream = concat(...[20_000, 30_000].map((length) => writeRecord(new Uint8Array(length))))
  const [first, second] = new RecordReader().push(stream)
  expect([first?.buffer.byteLength, second?.buffer.byteLength]).toEqual([20_000, 30_000])
})

it('pours a record uncopied and gives its memory back when it is written, and not before', () => {
  const calls: string[] = []
  let end: ((error?: Error) => void) | undefined
  const parts: Uint8Array[] = []
  const pipe: Pipe = {
    cork: () => calls.push('cork'),
    uncork: () => calls.push('uncork'),
    write(bytes, written) {
      parts.push(bytes)
      end = written
      return true
    },
  }
  const record = new Uint8Array(40_000).fill(7)
  pourRecord(pipe, record, () => calls.push('written'))
  expect(concat(...parts)).toEqual(writeRecord(record))
  expect(calls).toEqual(['cork', 'uncork'])
  end?.()
  expect([calls.at(-1), record.length]).toEqual(['written', 0])
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
