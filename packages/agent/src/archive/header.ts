/** One header block of a tar archive (POSIX ustar), read and written. Anything that two readers could read differently is refused. */
import { pathFromBytes } from '@ocm/protocol'
import { refused } from './refused.ts'

export const BLOCK = 512

export interface Header {
  /** As it stands in the block. */
  readonly path: string
  readonly type: string
  readonly size: number
  readonly mode: number
  /** Seconds. */
  readonly modifiedAt: number
  readonly target: string
}

const MAGIC = 'ustar\x0000'
const MAGIC_BYTES = Buffer.from(MAGIC, 'latin1')

/** @throws OcmError 'archive-refused' */
export function readHeader(block: Uint8Array, entry: number): Header {
  const sum = octal(block, 148, 8, entry)
  if (sum !== checksum(block)) throw refused('a header is damaged', entry)
  if (!MAGIC_BYTES.equals(block.subarray(257, 265)))
    throw refused('it is not in the POSIX format', entry)
  const prefix = text(block, 345, 155)
  const name = text(block, 0, 100)
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    type: String.fromCharCode(block[156] as number),
    size: octal(block, 124, 12, entry),
    mode: octal(block, 100, 8, entry) & 0o7777,
    modifiedAt: octal(block, 136, 12, entry),
    target: text(block, 157, 100),
  }
}

/** Of all bytes, with spaces where the sum itself stands. */
function checksum(block: Uint8Array): number {
  let sum = 8 * 0x20
  for (let i = 0; i < 148; i++) sum += block[i] as number
  for (let i = 156; i < BLOCK; i++) sum += block[i] as number
  return sum
}

/** Up to the first zero byte, behind which there may be nothing else. */
function text(block: Uint8Array, at: number, length: number): string {
  if (block[at] === 0 && isZero(block.subarray(at, at + length))) return ''
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  // What some readers take for the name and others do not.
  if (end >= 0 && !isZero(field.subarray(end))) throw refused('a name has a zero byte in it')
  const name = end < 0 ? field : field.subarray(0, end)
  const plain = Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
  return PLAIN.test(plain) ? plain : pathFromBytes(name)
}

const PLAIN = /^[ -~]*$/

const [DIGIT_0, DIGIT_7, SPACE] = [0x30, 0x37, 0x20]

/** Octal digits with spaces or zero bytes behind them; empty is 0. Binary numbers are for what is too large here anyway. */
function octal(block: Uint8Array, from: number, length: number, entry: number): number {
  const end = from + length
  let at = from
  while (at < end && block[at] === SPACE) at++
  let value = 0
  for (; at < end; at++) {
    const byte = block[at] as number
    if (byte < DIGIT_0 || byte > DIGIT_7) break
    value = value * 8 + byte - DIGIT_0
  }
  for (; at < end; at++) {
    if (block[at] !== SPACE && block[at] !== 0) throw refused('a number in a header is none', entry)
  }
  return value
}

export interface NewHeader {
  /** At most 100 bytes each; what is longer goes into an extended header. */
  readonly path: Uint8Array
  readonly target?: Uint8Array
  readonly type: '0' | '2' | '5' | 'x'
  readonly size: number
  readonly mode: number
  readonly modifiedAt: number
}

export function writeHeader(header: NewHeader): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  block.set(header.path.subarray(0, 100), 0)
  block.write(`${header.mode.toString(8).padStart(7, '0')}\0`, 100, 'latin1')
  block.write('0000000\0', 108, 'latin1')
  block.write('0000000\0', 116, 'latin1')
  block.write(`${header.size.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  block.write(`${header.modifiedAt.toString(8).padStart(11, '0')}\0`, 136, 'latin1')
  block.write(header.type, 156, 'latin1')
  block.set(header.target?.subarray(0, 100) ?? [], 157)
  block.write(MAGIC, 257, 'latin1')
  block.write('0000000\0', 329, 'latin1')
  block.write('0000000\0', 337, 'latin1')
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

const ZEROS = Buffer.alloc(64 * 1024)

export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length)
    if (!ZEROS.subarray(0, part.length).equals(part)) return false
  }
  return true
}
