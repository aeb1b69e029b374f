/** An extended (PAX) header: `length key=value\n` records about the entry behind it. */
import { concat, pathFromBytes, utf8 } from '@ocm/protocol'
import { refused } from './refused.ts'

export const EXTENDED_MAX_BYTES = 64 * 1024

export interface Extended {
  readonly path?: string
  readonly target?: string
  readonly size?: number
  /** Names in it are bytes rather than UTF-8. */
  readonly binary: boolean
}

/** What is read or may be passed over. Everything else, sparse files above all, changes what an entry is. */
const KNOWN = new Set([
  'path',
  'linkpath',
  'size',
  'hdrcharset',
  'mtime',
  'atime',
  'ctime',
  'uid',
  'gid',
  'uname',
  'gname',
  'comment',
  'SCHILY.dev',
  'SCHILY.ino',
  'SCHILY.nlink',
])

const SPACE = 0x20
const EQUALS = 0x3d
const NEWLINE = 0x0a

/** @throws OcmError 'archive-refused' */
export function readExtended(bytes: Uint8Array, entry: number): Extended {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(SPACE, at)
    const digits = Buffer.from(bytes.subarray(at, space < 0 ? at : space)).toString('latin1')
    const length = /^[1-9]\d{0,5}$/.test(digits) ? Number(digits) : 0
    const end = at + length
    const equals = bytes.indexOf(EQUALS, space)
    if (length === 0 || end > bytes.length || equals < 0 || equals >= end) throw bad(entry)
    const value = bytes.subarray(equals + 1, end - 1)
    if (bytes[end - 1] !== NEWLINE || value.includes(0)) throw bad(entry)
    const key = Buffer.from(bytes.subarray(space + 1, equals)).toString('latin1')
    if (!KNOWN.has(key) || records.has(key)) throw bad(entry)
    records.set(key, pathFromBytes(value))
    at = end
  }
  const size = records.get('size')
  if (size !== undefined && !/^(?:0|[1-9]\d{0,15})$/.test(size)) throw bad(entry)
  const [path, target] = [records.get('path'), records.get('linkpath')]
  const charset = records.get('hdrcharset')
  if (charset !== undefined && charset !== 'BINARY') throw bad(entry)
  return {
    binary: charset === 'BINARY',
    ...(path === undefined ? {} : { path }),
    ...(target === undefined ? {} : { target }),
    ...(size === undefined ? {} : { size: Number(size) }),
  }
}

const bad = (entry: number) => refused('an extended header is not understood', entry)

export function writeExtended(records: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  return concat(
    ...records.map(([key, value]) => {
      const rest = concat(utf8(` ${key}=`), value, utf8('\n'))
      let length = rest.length + 1
      while (String(length).length + rest.length !== length)
        length = String(length).length + rest.length
      return concat(utf8(String(length)), rest)
    }),
  )
}
