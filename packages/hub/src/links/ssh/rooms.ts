/**
 * Where borrowers keep what ssh needs to find by a path: each a directory for the length of one lease, in memory where
 * there is such a place. They are told from those of other hubs by their names.
 */
import { createHash } from 'node:crypto'
import { accessSync, constants, lstatSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** The best first; XDG_RUNTIME_DIR is its user's alone. */
export const placesInMemory = (): readonly string[] =>
  [process.env['XDG_RUNTIME_DIR'], '/dev/shm', tmpdir()].filter(
    (place) => place !== undefined && isOurs(place),
  ) as string[]

function isOurs(place: string): boolean {
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false // The next one may be.
  }
}

/** What the names of all rooms of the hub with this data begin with. */
export const roomsOf = (data: string): string =>
  `ocm-ssh-${createHash('sha256').update(resolve(data)).digest('hex').slice(0, 16)}-`

/** Whose hub and borrower were both killed, nobody else removes. Called before there is a borrower. */
export function clearRooms(prefix: string): void {
  for (const place of placesInMemory()) {
    for (const name of readdirSync(place)) {
      if (!name.startsWith(prefix)) continue
      const path = join(place, name)
      // In /tmp somebody else may have made it.
      const { uid } = lstatSync(path)
      if (uid === process.getuid?.()) rmSync(path, { recursive: true, force: true })
    }
  }
}
