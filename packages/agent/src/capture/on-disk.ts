/** What the file system says about one thing, and how a path is handed to it. */
import type { Stats } from 'node:fs'
import { pathToBytes } from '@ocm/protocol'
import type { Look } from '../store/stat-cache.ts'

/**
 * Times are numbers, exact to a quarter of a microsecond. That is enough to tell two states apart: what was changed within
 * two seconds of being read is not relied on anyway.
 */
export const lookOf = ({ dev, ino, size, mtimeMs, ctimeMs, mode }: Stats): Look => ({
  dev,
  ino,
  size,
  mtime: mtimeMs,
  ctime: ctimeMs,
  mode,
})

export const permissionsOf = ({ mode }: Pick<Look, 'mode'>): number => mode & 0o7777

/** As an entry has it: to the nearest microsecond, so that what is restored and captured again does not drift. */
export const modifiedAtOf = ({ mtime }: Pick<Look, 'mtime'>): number =>
  Math.round(mtime * 1000) / 1000

/** For node:fs, byte for byte: a path that is not UTF-8 has to be handed over as bytes. */
export const onDisk = (path: string): string | Buffer =>
  path.isWellFormed() ? path : Buffer.from(pathToBytes(path))

/** What was changed less than this before it was read may change again and look the same. */
export const RACY_MS = 2000

/**
 * Whether a change that came after `at` would show in these times: they are older than `byMs`. The kernel sets the time of a
 * change by its own clock, so it decides; the time of the content can be set to anything, also to one that is still to come.
 */
export const isSettled = (
  { mtime, ctime }: Pick<Look, 'mtime' | 'ctime'>,
  at: number,
  byMs: number,
): boolean => at - ctime > byMs && Math.abs(at - mtime) > byMs
