/**
 * OpenClaw keeps empty lock files for each database that it opens in one directory of the account, named by the hash of
 * the database's path. They stay when the database goes; for a copy that was only looked at, they go too.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'

/** Fixed in OpenClaw, whatever the directory for temporary files is. */
const lockDirectory = () => `/tmp/openclaw-state-locks-${process.getuid?.() ?? 0}`

/** Of every database below a directory that nothing has open any more; to be called before it is removed. */
export function removeLockTraces(directory: string): void {
  const locks = lockDirectory()
  if (!existsSync(directory) || !existsSync(locks)) return
  const real = realpathSync(directory)
  const hashes = new Set(
    readdirSync(real, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.sqlite'))
      .map((name) => hashOf(path.join(real, name))),
  )
  for (const name of readdirSync(locks)) {
    const hash = /^[a-z-]+\.([0-9a-f]{8})\.lock\.sqlite$/.exec(name)?.[1]
    if (hash !== undefined && hashes.has(hash)) rmSync(path.join(locks, name), { force: true })
  }
}

const hashOf = (database: string): string =>
  createHash('sha256').update(database).digest('hex').slice(0, 8)
