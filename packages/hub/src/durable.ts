/** Files that are whole or not there, whatever happens to the machine. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OcmError } from '@ocm/protocol'

/** Temporary files carry this in their names; whatever bears it at a start was left by a crash. */
export const UNFINISHED = '.unfinished-'

export const unfinishedName = (path: string): string =>
  `${path}${UNFINISHED}${randomBytes(6).toString('hex')}`

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes a directory, and each one above it that is missing, so that they survive a power cut. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await syncDirectory(dirname(made))
  }
}

/** Writes a small file in place of whatever stood there. */
export async function writeDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  await makeDirectory(dirname(path))
  const unfinished = unfinishedName(path)
  try {
    const file = await open(unfinished, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

export const isMissing = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException).code === 'ENOENT'

/** @throws OcmError 'store-failed' for one that is there and cannot be read */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new OcmError('store-failed', {}, { cause })
  }
}

/** As above; what others may read of it they may not any more. */
export async function readSecretIfThere(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readIfThere(path)
  if (bytes) await chmod(path, 0o600)
  return bytes
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true })
  await syncDirectory(dirname(path))
}

/** Removes what a crash left half-written under a directory. */
export async function removeUnfinished(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && entry.name.includes(UNFINISHED)) {
      await rm(`${entry.parentPath}/${entry.name}`, { force: true })
    }
  }
}
