/**
 * Directories as open handles. Every name is made below the handle of its directory and never through a link, so
 * nothing can lead a write out of the tree, whoever changes the tree meanwhile. Handles belong to the process: a worker
 * may use one that another has opened.
 */
import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { pathToBytes } from '@ocm/protocol'
import type { Spot } from './orders.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

/** While it is being written a tree is for its owner alone. */
const DRAFT_DIRECTORY = 0o700

/** Files come roughly in the order of their names, so few are enough; a process has 1024 handles at least. */
const KEPT = 64

const parentOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf('/'), 0))
const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)

export const hasCode = (error: unknown, code: string) =>
  error instanceof Error && 'code' in error && error.code === code

export class OpenDirectories {
  readonly #tops: readonly string[]
  readonly #open = new Map<string, number>()

  /** @param tops absolute paths of directories that are there. */
  constructor(tops: readonly string[]) {
    this.#tops = tops
  }

  /** What to hand node:fs for a name in its directory, which is made where it is missing. */
  place({ top, path }: Spot): string | Buffer {
    return this.#below(this.#at(top, parentOf(path)), top, path)
  }

  /** Makes a directory where it is missing, and those above it. */
  make({ top, path }: Spot): void {
    this.#at(top, path)
  }

  /** The handle of a directory; valid until the next call. */
  handle({ top, path }: Spot): number {
    return this.#at(top, path)
  }

  close(): void {
    for (const handle of this.#open.values()) closeSync(handle)
    this.#open.clear()
  }

  #at(top: number, path: string): number {
    const key = `${top} ${path}`
    const there = this.#open.get(key)
    if (there !== undefined) {
      this.#open.delete(key)
      this.#open.set(key, there)
      return there
    }
    const handle = path === '' ? this.#openTop(top) : this.#enter(top, path)
    this.#open.set(key, handle)
    if (this.#open.size > KEPT) this.#closeOldest()
    return handle
  }

  #openTop(top: number): number {
    return openSync(Buffer.from(pathToBytes(this.#tops[top] as string)), O_RDONLY | O_DIRECTORY)
  }

  #enter(top: number, path: string): number {
    const place = this.#below(this.#at(top, parentOf(path)), top, path)
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    try {
      return openSync(place, flags)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    try {
      mkdirSync(place, DRAFT_DIRECTORY)
    } catch (error) {
      // Another worker was first.
      if (!hasCode(error, 'EEXIST')) throw error
    }
    return openSync(place, flags)
  }

  #closeOldest(): void {
    const [oldest] = this.#open
    if (!oldest) return
    this.#open.delete(oldest[0])
    closeSync(oldest[1])
  }

  /** Linux names what lies below an open directory; elsewhere the path has to do. */
  #below(handle: number, top: number, path: string): string | Buffer {
    const whole =
      process.platform === 'linux'
        ? `/proc/self/fd/${handle}/${nameOf(path)}`
        : `${this.#tops[top]}/${path}`
    return whole.isWellFormed() ? whole : Buffer.from(pathToBytes(whole))
  }
}
