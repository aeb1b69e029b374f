/** Entries of a snapshot into a directory of their own, for who has the packs and what opens them. */
import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { OcmError, type Primitives, pathToBytes } from '@ocm/protocol'
import { type NewEntry, checkEntries } from './entries.ts'
import { stageTrees } from './staging.ts'
import type { Damage, PackSource, WriteOptions } from './write-files.ts'

export type { Damage } from './write-files.ts'

export interface ReadOptions extends WriteOptions {
  /** Go on without what is damaged or missing, and answer what that was. */
  readonly partial?: boolean
  /** False for what is going to be thrown away again: no disk is waited for then. */
  readonly durable?: boolean
  /** Called when all is written, with what is not there, to change what is before it is sealed. */
  readonly change?: (damaged: readonly Damage[]) => Promise<void>
}

/**
 * All of it is durable when this answers, unless that is not wanted.
 * @param items where entries go below the directory: names with '/' between them in the form of protocol's layout.ts,
 * '' for the directory itself, whose permissions it gets.
 * @param directory absolute; made by this: nothing may lie there. When this fails nothing is left of it.
 * @returns what could not be read; without `partial` never anything.
 * @throws OcmError 'malformed' for names that cannot be, 'pack-damaged' and 'pack-missing' (`count` files) without
 * `partial`, 'seal-broken' for a pack that nothing opens, and what `fetch`, the disk and the signal throw
 */
export async function readInto(
  p: Primitives,
  source: PackSource,
  items: readonly NewEntry[],
  directory: string,
  options: ReadOptions = {},
): Promise<readonly Damage[]> {
  const { partial = false, durable = true, change, ...writing } = options
  checkEntries(items)
  const root = Buffer.from(pathToBytes(directory))
  if (lstatSync(root, { throwIfNoEntry: false })) throw new OcmError('target-not-empty')
  const staging = stageTrees(p, [{ root: directory, items }], durable)
  let isDone = false
  try {
    const damages = await staging.write(source, writing)
    const [first] = damages
    if (first && !partial) throw new OcmError(first.code, { count: damages.length })
    await change?.(damages)
    await staging.seal()
    isDone = true
    return damages
  } finally {
    await staging.end()
    if (!isDone) removeTree(root)
  }
}

/** A directory that its owner may not write in would keep what is in it. */
function removeTree(path: Buffer): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) {
    if (stat) unlinkSync(path)
    return
  }
  if ((stat.mode & 0o700) !== 0o700) chmodSync(path, 0o700)
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    removeTree(Buffer.concat([path, Buffer.from('/'), name]))
  }
  rmdirSync(path)
}
