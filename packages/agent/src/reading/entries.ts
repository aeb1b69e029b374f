/** What is to be written below one directory, checked by name before anything is. */
import { type Entry, OcmError, pathToBytes } from '@ocm/protocol'

const NAME_MAX_BYTES = 255
const DEPTH_MAX = 256

export interface NewEntry {
  /** Below the unit; '' is the unit itself. */
  readonly path: string
  readonly entry: Entry
}

/**
 * To be called with everything before anything is written.
 * @throws OcmError 'malformed' for names that cannot be, and for something that is to lie below a file or a link.
 */
export function checkEntries(entries: readonly NewEntry[]): void {
  const leaves = new Set<string>()
  const seen = new Set<string>()
  for (const { path, entry } of entries) {
    const names = path === '' ? [] : path.split('/')
    if (names.length > DEPTH_MAX || !names.every(isName) || seen.has(path)) throw malformed()
    seen.add(path)
    if (entry.kind !== 'directory') leaves.add(path)
  }
  if (leaves.has('') && entries.length > 1) throw malformed()
  for (const { path } of entries) {
    for (let above = path; above.includes('/');) {
      above = above.slice(0, above.lastIndexOf('/'))
      if (leaves.has(above)) throw malformed()
    }
  }
}

/** Letters take at most three bytes each, half pairs included. */
const isName = (name: string): boolean =>
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  !name.includes('\0') &&
  (name.length * 3 <= NAME_MAX_BYTES || pathToBytes(name).length <= NAME_MAX_BYTES)

const malformed = () => new OcmError('malformed', { what: 'manifest' })
