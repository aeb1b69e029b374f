/** Entries of a tar archive in the POSIX format, as every reader understands them. */
import { concat, pathToBytes, utf8 } from '@ocm/protocol'
import { writeExtended } from './extended.ts'
import { BLOCK, writeHeader } from './header.ts'

export interface TarItem {
  readonly kind: 'file' | 'directory' | 'link'
  readonly path: string
  readonly size: number
  readonly mode: number
  /** Milliseconds; an archive keeps whole seconds. */
  readonly modifiedAt: number
  /** Of a link. */
  readonly target?: Uint8Array
}

const FIELD_BYTES = 100
const TYPES = { file: '0', directory: '5', link: '2' } as const

/** What stands before the content of an entry. */
export function tarHeader({ kind, path, size, mode, modifiedAt, target }: TarItem): Uint8Array {
  const name = pathToBytes(kind === 'directory' ? `${path}/` : path)
  const seconds = Math.max(0, Math.floor(modifiedAt / 1000))
  const records: (readonly [string, Uint8Array])[] = []
  // A name that is no UTF-8 has to be said to be bytes; who does not know that reads it as best it can.
  if (!path.isWellFormed()) records.push(['hdrcharset', utf8('BINARY')], ['path', name])
  else if (name.length > FIELD_BYTES) records.push(['path', name])
  if (target && target.length > FIELD_BYTES) records.push(['linkpath', target])
  const content = records.length === 0 ? undefined : writeExtended(records)
  const extended =
    content === undefined
      ? []
      : [
          writeHeader({
            path: utf8('PaxHeader/entry'),
            type: 'x',
            size: content.length,
            mode: 0o644,
            modifiedAt: seconds,
          }),
          content,
          tarPadding(content.length),
        ]
  const header = writeHeader({
    path: name,
    type: TYPES[kind],
    size,
    mode,
    modifiedAt: seconds,
    ...(target === undefined ? {} : { target }),
  })
  return concat(...extended, header)
}

/** What stands behind the content of an entry. */
export const tarPadding = (size: number): Uint8Array =>
  new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK)

export const tarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK)
