import { closeSync, openSync, readSync } from 'node:fs'
import { type Primitives, contentHash } from '@ocm/protocol'

/** The hash by which a manifest names the content of a database. */
export function contentHashOfFile(p: Primitives, path: string, size: number): Uint8Array {
  const hash = contentHash(p, 'database', size)
  const window = new Uint8Array(1024 * 1024)
  const descriptor = openSync(path, 'r')
  try {
    for (let got = -1; got !== 0;) {
      got = readSync(descriptor, window)
      hash.update(window.subarray(0, got))
    }
  } finally {
    closeSync(descriptor)
  }
  return hash.digest()
}
