/**
 * The disk as an apply touches it: names by their bytes (a path is a string in the form of protocol's layout.ts), and
 * nothing counts as done before it is durable.
 */
import { constants, unlinkSync } from 'node:fs'
import { type FileHandle, chmod, lstat, open, readdir, rmdir, unlink } from 'node:fs/promises'
import { pathFromBytes, pathToBytes } from '@ocm/protocol'

/** What node:fs is to be called with. */
export const onDisk = (path: string): Buffer => Buffer.from(pathToBytes(path))

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')

/** What lies at a path, links not followed; undefined when nothing does. */
export async function statOf(path: string) {
  try {
    return await lstat(onDisk(path))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export const exists = async (path: string): Promise<boolean> => (await statOf(path)) !== undefined

/** Makes names that were added to or taken from a directory durable. An error of fsync is final: a second call would lie. */
export async function fsyncDirectory(path: string): Promise<void> {
  await withOpen(path, constants.O_RDONLY | constants.O_DIRECTORY, (handle) => handle.sync())
}

export async function withOpen<T>(
  path: string,
  flags: number,
  use: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await open(onDisk(path), flags)
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}

/** Removes whatever lies at a path; nothing there is as good. Links are removed, not followed. */
export async function removeTree(path: string): Promise<void> {
  const stat = await statOf(path)
  if (stat === undefined) return
  if (!stat.isDirectory()) {
    await unlink(onDisk(path))
    return
  }
  // A directory that its owner may not write in would keep its contents.
  if ((stat.mode & 0o700) !== 0o700) await chmod(onDisk(path), 0o700)
  const entries = await readdir(onDisk(path), { encoding: 'buffer', withFileTypes: true })
  for (const entry of entries) {
    const below = `${path}/${pathFromBytes(entry.name)}`
    if (entry.isDirectory()) await removeTree(below)
    // At once, or a large tree takes as long to remove as to write.
    else unlinkSync(onDisk(below))
  }
  await rmdir(onDisk(path))
}
