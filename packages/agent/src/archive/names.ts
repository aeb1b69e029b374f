/** Which names an archive may have: each means one place, on every machine, and no two mean the same. */
import { pathToBytes } from '@ocm/protocol'
import { refused } from './refused.ts'
import type { TarEntry } from './read-tar.ts'

const NAME_MAX_BYTES = 255
const PATH_MAX_BYTES = 1280
const DEPTH_MAX = 72

/** Control characters and what turns the direction of text around or is not seen at all. Joiners make up letters. */
const HIDDEN = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u
/** A byte that is not part of UTF-8, see protocol's layout.ts. */
const RAW_BYTE = /[\udc80-\udcff]/

/** The path without the slash that directories may end with. @throws OcmError 'archive-refused' */
export function checkedPath({ path: written, kind, number, binary }: TarEntry): string {
  const path = kind === 'directory' ? written.replace(/\/$/, '') : written
  const no = (why: string) => refused(why, number)
  if (path.startsWith('/')) throw no('a path is absolute')
  if (/^[A-Za-z]:/.test(path)) throw no('a path names a drive')
  if (path.includes('\\')) throw no('a path has a backslash in it')
  if (path.includes('\0') || HIDDEN.test(path)) throw no('a path has hidden characters in it')
  if (!path.isWellFormed() && (!binary || !onlyRawBytes(path))) throw no('a path is not UTF-8')
  const names = path.split('/')
  if (names.length > DEPTH_MAX) throw no('a path is too deep')
  if (pathToBytes(path).length > PATH_MAX_BYTES) throw no('a path is too long')
  for (const name of names) {
    if (name === '..') throw no('a path leads upward')
    if (name === '' || name === '.') throw no('a path has an empty part')
    if (pathToBytes(name).length > NAME_MAX_BYTES) throw no('a name is too long')
  }
  return path
}

const onlyRawBytes = (path: string): boolean =>
  [...path].every((letter) => letter.isWellFormed() || RAW_BYTE.test(letter))

/** What two names have in common that some file system does not tell apart. */
const folded = (name: string): string =>
  name.isWellFormed() ? name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC') : name

/** All names of an archive, so that no two of them are one place somewhere. */
export class Names {
  readonly #byFolded = new Map<string, string>()
  readonly #kinds = new Map<string, TarEntry['kind'] | 'implied'>()

  /** The directory that the name before was in: nothing has changed above it. */
  #last = ''

  /** @throws OcmError 'archive-refused' */
  add(path: string, { kind, number }: Pick<TarEntry, 'kind' | 'number'>): void {
    const directory = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if (directory !== this.#last) {
      for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
        this.#above(path.slice(0, end), number)
      }
      this.#last = directory
    }
    const known = this.#kinds.get(path)
    if (known !== undefined && !(known === 'implied' && kind === 'directory')) {
      throw refused(
        known === 'implied' ? 'a directory is something else too' : 'a path occurs twice',
        number,
      )
    }
    this.#alone(path, number)
    this.#kinds.set(path, kind)
  }

  #above(path: string, number: number): void {
    const kind = this.#kinds.get(path)
    if (kind === 'file' || kind === 'link')
      throw refused('something lies below what is no directory', number)
    if (kind !== undefined) return
    this.#alone(path, number)
    this.#kinds.set(path, 'implied')
  }

  #alone(path: string, number: number): void {
    const key = folded(path)
    const other = this.#byFolded.get(key)
    if (other !== undefined && other !== path)
      throw refused('two paths are one on some machines', number)
    this.#byFolded.set(key, path)
  }
}
