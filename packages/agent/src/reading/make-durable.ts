/**
 * Makes whole trees durable. Where the kernel can be asked for all of a filesystem at once that is done, by the tool
 * that every Linux has, because Node has no call for it; else each file and directory is synchronised by itself.
 */
import { execFile } from 'node:child_process'
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  statSync,
} from 'node:fs'
import { statfs } from 'node:fs/promises'
import { pathToBytes } from '@ocm/protocol'

const { O_RDONLY } = constants

/**
 * Filesystems whose syncfs answers when data and names are on the disk, and fails when one could not be written. A
 * network's or a user's own filesystem may promise less.
 */
const WHOLE = new Set([
  0xef_53, // ext2, ext3, ext4
  0x58_46_53_42, // xfs
  0x91_23_68_3e, // btrfs
  0xf2_f5_20_10, // f2fs
  0x01_02_19_94, // tmpfs
  0x79_4c_76_30, // overlayfs
])

export interface Durably {
  /** Writes back what has been written so far, meanwhile. What goes wrong with it is thrown by `finish`. */
  begin(): void
  /**
   * To be called when all is written, and while its owner may still read it.
   * @returns whether each thing that is changed after this is to be synchronised by itself.
   */
  settle(): Promise<boolean>
  /** Answers when all that was written in the trees before is durable, their own names included. */
  finish(): Promise<void>
}

/** @param roots absolute paths of what is written; the directory above each is there, on the same filesystem. */
export function durably(roots: readonly string[]): Durably {
  const directories = [...new Set(roots.map(parentOf))]
  let early = wholeOf(directories)
  // Nobody waits for it yet.
  early.catch(() => undefined)
  return {
    begin() {
      early = early.then(syncAll)
      early.catch(() => undefined)
    },
    async settle() {
      if (await early) return false
      for (const root of roots) syncTree(onDisk(root))
      return true
    },
    async finish() {
      if (await syncAll(await early)) return
      for (const directory of directories) syncOne(onDisk(directory))
    },
  }
}

async function syncAll(whole: readonly string[] | undefined) {
  for (const directory of whole ?? []) await syncWhole(directory)
  return whole
}

/** For what is going to be thrown away. */
export const notDurably: Durably = {
  begin: () => undefined,
  settle: async () => false,
  finish: async () => undefined,
}

const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/'

/** One directory of each filesystem; undefined when one of them cannot be synchronised as a whole. */
async function wholeOf(directories: readonly string[]): Promise<readonly string[] | undefined> {
  const byDevice = new Map<number, string>()
  for (const directory of directories) byDevice.set(statSync(onDisk(directory)).dev, directory)
  const whole = [...byDevice.values()]
  for (const directory of whole) if (!(await canSyncWhole(directory))) return undefined
  return whole
}

const onDisk = (path: string): Buffer => Buffer.from(pathToBytes(path))

/** Tried out before anything depends on it: a failure later on is one of the disk, and final. */
async function canSyncWhole(directory: string): Promise<boolean> {
  if (process.platform !== 'linux' || !directory.isWellFormed()) return false
  const { type } = await statfs(directory)
  if (!WHOLE.has(type)) return false
  return syncWhole(directory).then(
    () => true,
    () => false,
  )
}

const syncWhole = (directory: string): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile('sync', ['-f', '--', directory], { windowsHide: true }, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })

/** An error of fsync is final: a second call would lie. */
function syncOne(path: Buffer): void {
  const handle = openSync(path, O_RDONLY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function syncTree(path: Buffer): void {
  const stat = lstatSync(path)
  if (stat.isDirectory()) {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      syncTree(Buffer.concat([path, Buffer.from('/'), name]))
    }
  }
  if (stat.isDirectory() || stat.isFile()) syncOne(path)
}
