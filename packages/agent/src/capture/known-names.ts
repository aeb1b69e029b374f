/**
 * What lies in a directory, from the last snapshot instead of from the disk. Whatever comes into a directory or leaves it
 * changes the directory's own times; so one that looks as it did holds the names that it held.
 */
import { statfsSync } from 'node:fs'
import type { PlacedPath } from '@ocm/protocol'
import type { StatCache } from '../store/stat-cache.ts'
import { onDisk } from './on-disk.ts'
import { isInShare } from './same.ts'
import type { Inside } from './walk.ts'

interface KnownNames {
  /** The number of the first in the cache; the others follow. */
  readonly first: number
  /** In their root. */
  readonly paths: readonly string[]
}

export class NamesKnown {
  readonly #cache: StatCache
  readonly #share: number
  /** By device. */
  readonly #keepsTimes = new Map<number, boolean>()

  /** @param share this share of all directories is read in spite of looking the same; -1 for none. */
  constructor(cache: StatCache, share: number) {
    this.#cache = cache
    this.#share = share
  }

  /** @returns the number of an entry of the cache, -1 if there is none. */
  numberOf({ root, path }: PlacedPath): number {
    return this.#cache.find(root, path)
  }

  /** @returns undefined when the directory has to be read. */
  in({ found: { cached, place, look }, absolute }: Inside): KnownNames | undefined {
    const cache = this.#cache
    if (cached < 0 || !cache.looksLike(cached, look) || isInShare(this.#share, place)) return
    const listing = this.keepsTimes(look.dev, absolute) ? cache.listingOf(cached) : undefined
    if (!listing) return
    const { first, count } = listing
    return {
      first,
      paths: Array.from({ length: count }, (_, n) => cache.pathOf(first + n, place.root)),
    }
  }

  /** Whether a directory's times say that names came or went. @param absolute a directory on that device. */
  keepsTimes(device: number, absolute: string): boolean {
    const known = this.#keepsTimes.get(device)
    if (known !== undefined) return known
    const keeps = isLocal(absolute)
    this.#keepsTimes.set(device, keeps)
    return keeps
  }
}

/**
 * `f_type` of file systems of this machine's own kernel, which set a directory's times with every name: linux/magic.h.
 * A server, or a program behind FUSE, does as it likes; a directory of overlayfs shows the times of one of its layers alone.
 */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0x01021994, // tmpfs
])

function isLocal(absolute: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    return LOCAL.has(statfsSync(onDisk(absolute)).type)
  } catch {
    return false // It is gone or closed: reading it will say so.
  }
}
