/** What a person named is written beside its place and renamed when it is whole: it is there, or it is not. */
import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { passing } from './leavings.ts'

type Kind = 'file' | 'directory'

/**
 * @param to absolute; see `freeOrThrow`.
 * @param write makes a file or a directory at the path that it is given, durable.
 * @throws OcmError 'target-not-empty', before anything is written
 */
export async function asDraft<T>(
  to: string,
  kind: Kind,
  write: (draft: string) => Promise<T>,
): Promise<T> {
  const parent = dirname(to)
  await mkdir(parent, { recursive: true })
  await freeOrThrow(to, kind)
  const name = basename(to)
  // For its owner alone, whatever the permissions of what is in it.
  const around = join(parent, `.${name.slice(0, 60)}.ocm-${randomBytes(6).toString('hex')}`)
  return passing(around, async () => {
    await mkdir(around, { mode: 0o700 })
    const draft = join(around, name)
    const result = await write(draft)
    // It may have come while we wrote.
    await freeOrThrow(to, kind)
    await rename(draft, to)
    await flush(parent)
    return result
  })
}

/**
 * Nothing may be there, but for an empty directory where one is to be written.
 * @throws OcmError 'target-not-empty'
 */
export async function freeOrThrow(to: string, kind: Kind): Promise<void> {
  const stat = await statOf(to)
  if (stat === undefined) return
  // Nothing is renamed onto where another filesystem is mounted.
  const isPlain = stat.isDirectory() && stat.dev === (await lstat(dirname(to))).dev
  if (kind === 'directory' && isPlain && (await readdir(to)).length === 0) return
  throw new OcmError('target-not-empty')
}

async function statOf(path: string) {
  try {
    return await lstat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function flush(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
