/** What is in a directory, and what a name stands for. */
import { type Dirent, type Stats, lstatSync, readdirSync } from 'node:fs'
import { pathFromBytes, pathToBytes } from '@ocm/protocol'
import { errno } from './errno.ts'

export interface Named {
  readonly name: string
  /** What is neither, a link above all, has none. */
  readonly kind: 'file' | 'directory' | undefined
}

/** In no order; nothing when it is not there or closed to us. @param directory absolute */
export function namedIn(directory: string): readonly Named[] {
  const named = ifThere(() => readdirSync(onDisk(directory), { withFileTypes: true })) ?? []
  // What is not UTF-8 has to be asked for byte for byte.
  if (!named.some(({ name }) => name.includes('\ufffd'))) {
    return named.map((one) => ({ name: one.name, kind: kindOf(one, directory, one.name) }))
  }
  const options = { withFileTypes: true, encoding: 'buffer' } as const
  const exact = ifThere(() => readdirSync(onDisk(directory), options)) ?? []
  return exact.map((one) => {
    const name = pathFromBytes(one.name)
    return { name, kind: kindOf(one, directory, name) }
  })
}

/** Sorted; nothing when it is not there or closed to us. @param directory absolute */
export const namesIn = (directory: string): readonly string[] =>
  namedIn(directory)
    .map(({ name }) => name)
    .toSorted()

/** Links are not followed; undefined when it is not there or closed to us. @param path absolute */
export const statsOf = (path: string): Stats | undefined => ifThere(() => lstatSync(onDisk(path)))

type Kind = Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>

function kindOf(one: Kind, directory: string, name: string): Named['kind'] {
  if (one.isFile()) return 'file'
  if (one.isDirectory()) return 'directory'
  if (one.isSymbolicLink()) return undefined
  // Some filesystems do not say, and devices are few.
  const stats = statsOf(`${directory}/${name}`)
  return stats?.isFile() ? 'file' : stats?.isDirectory() ? 'directory' : undefined
}

const onDisk = (path: string): string | Buffer =>
  path.isWellFormed() ? path : Buffer.from(pathToBytes(path))

const GONE = ['ENOENT', 'ENOTDIR', 'EACCES']

function ifThere<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (GONE.includes(errno(error) ?? '')) return undefined
    throw error
  }
}
