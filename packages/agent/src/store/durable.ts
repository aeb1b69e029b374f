/** Small files of the agent's own that are wholly there or wholly as before, also after a power cut. */
import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Answers when the file, and its name in its directory, are durable. The directory is made if missing, for its owner alone. */
export async function writeDurable(path: string, content: Uint8Array | string): Promise<void> {
  await makeDirectory(dirname(path))
  const draft = `${path}.tmp`
  await rm(draft, { force: true })
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, path)
  await fsyncDirectory(dirname(path))
}

/** @returns undefined when there is no such file. */
export async function readDurable(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Answers when the file is gone for good. */
export async function removeDurable(path: string): Promise<void> {
  await rm(path, { force: true })
  await fsyncDirectory(dirname(path))
}

async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  // Every directory that was made is a name in the one above it.
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await fsyncDirectory(dirname(made))
  }
}

/** An error of fsync is final: asked a second time, a kernel says yes. */
async function fsyncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'
