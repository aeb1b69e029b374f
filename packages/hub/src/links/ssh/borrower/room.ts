/** A directory for the length of one lease, in memory where there is such a place: pipes, a socket, the pinned key. */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { placesInMemory } from '../rooms.ts'

export interface Room {
  readonly path: string
  at(name: string): string
  write(name: string, content: string | Uint8Array): string
  remove(): void
}

/** @param prefix by which the hub knows what its borrowers have left. */
export function openRoom(prefix: string): Room {
  const [place = tmpdir()] = placesInMemory()
  const path = mkdtempSync(join(place, prefix))
  const at = (name: string) => join(path, name)
  return {
    path,
    at,
    write(name, content) {
      writeFileSync(at(name), content, { mode: 0o600 })
      return at(name)
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

export function makePipe(path: string): string {
  const { status } = spawnSync('mkfifo', ['-m', '600', path], { stdio: 'ignore' })
  if (status !== 0) throw new OcmError('ssh-borrower-failed', { what: 'mkfifo' })
  return path
}

export interface PipeEnds {
  readonly reading: number
  readonly writing: number
}

/**
 * Both ends, each a description of its own: whoever is given one sees the end of the other.
 * @param ours which of them does not block.
 */
export function openPipe(path: string, ours: keyof PipeEnds): PipeEnds {
  // An end opens only while there is another; this one is both.
  const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  try {
    const quick = (end: keyof PipeEnds) => (end === ours ? constants.O_NONBLOCK : 0)
    return {
      reading: openSync(path, constants.O_RDONLY | quick('reading')),
      writing: openSync(path, constants.O_WRONLY | quick('writing')),
    }
  } finally {
    closeSync(both)
  }
}
