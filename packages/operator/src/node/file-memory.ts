/** What this machine has seen, in a file of its owner's alone. */
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OcmError } from '@ocm/protocol'
import type { Memory } from '../vault/memory.ts'

export function fileMemory(path: string): Memory {
  return {
    async get(key) {
      return (await readTexts(path))[key]
    },
    async set(key, value) {
      await writePrivate(path, { ...(await readTexts(path)), [key]: value })
    },
  }
}

async function readTexts(path: string): Promise<Record<string, string>> {
  const value = await readPrivate(path)
  if (value === undefined) return {}
  const texts = Object.entries(value).filter(([, text]) => typeof text === 'string')
  return Object.fromEntries(texts) as Record<string, string>
}

/**
 * @returns undefined when there is no such file.
 * @throws OcmError 'malformed'
 */
export async function readPrivate(path: string): Promise<object | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) throw new TypeError('not an object')
    return value
  } catch (cause) {
    throw new OcmError('malformed', { what: `file ${path}` }, { cause })
  }
}

/** Whole or not at all, readable by its owner alone. */
export async function writePrivate(path: string, value: object): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.${process.pid}.new`
  await writeFile(fresh, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 })
  await chmod(fresh, 0o600)
  await rename(fresh, path)
}
