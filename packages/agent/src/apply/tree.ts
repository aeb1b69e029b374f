/**
 * Writes one staged unit. Every name is made below the open handle of its directory and never through a link, so
 * nothing can lead a write out of the stage, whoever changes the stage meanwhile. Links are made last.
 */
import { constants } from 'node:fs'
import { type FileHandle, lutimes, mkdir, open, symlink, rename } from 'node:fs/promises'
import { type Entry, OcmError, pathFromBytes, pathToBytes } from '@ocm/protocol'
import {
  exists,
  fsyncDirectory,
  nameOf,
  namesIn,
  onDisk,
  parentOf,
  statOf,
  withOpen,
} from './disk.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/** setuid, setgid and sticky do not travel. */
const PERMISSIONS = 0o777
/** While it is being written the stage is for its owner alone. */
const DRAFT_FILE = 0o600
const DRAFT_DIRECTORY = 0o700

const NAME_MAX_BYTES = 255
const DEPTH_MAX = 256

export interface NewEntry {
  /** Below the unit; '' is the unit itself. */
  readonly path: string
  readonly entry: Entry
}

/**
 * To be called with everything before anything is written.
 * @throws OcmError 'malformed' for names that cannot be, and for something that is to lie below a file or a link.
 */
export function checkEntries(entries: readonly NewEntry[]): void {
  const leaves = new Set<string>()
  const seen = new Set<string>()
  for (const { path, entry } of entries) {
    const names = path === '' ? [] : path.split('/')
    const isName = (name: string) =>
      name !== '' &&
      name !== '.' &&
      name !== '..' &&
      !name.includes('\0') &&
      pathToBytes(name).length <= NAME_MAX_BYTES
    if (names.length > DEPTH_MAX || !names.every(isName) || seen.has(path)) throw malformed()
    seen.add(path)
    if (entry.kind !== 'directory') leaves.add(path)
  }
  for (const { path } of entries) {
    for (let above = path; above !== '';) {
      above = above.includes('/') ? parentOf(above) : ''
      if (leaves.has(above)) throw malformed()
    }
  }
}

const malformed = () => new OcmError('malformed', { what: 'manifest' })

export class TreeWriter {
  readonly #root: string
  /** The directory that was written to last, as open handles from the one above the unit downward. */
  readonly #open: { readonly name: string; readonly handle: FileHandle }[] = []
  #above: FileHandle | undefined
  readonly #links: NewEntry[] = []

  /** @param root the absolute path of the stage; nothing may lie there yet. */
  constructor(root: string) {
    this.#root = root
  }

  /** A directory, or a link, which is made by `finish`. */
  async add(item: NewEntry): Promise<void> {
    if (item.entry.kind === 'link') this.#links.push(item)
    else await this.#directory(item.path === '' ? [''] : ['', ...item.path.split('/')])
  }

  /**
   * A file with this content, made anew.
   * @param content verified by whoever yields it: nothing counts before it has ended without an error.
   */
  async write(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const handle = await open(
      await this.#place(path),
      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
      DRAFT_FILE,
    )
    try {
      for await (const part of content) await writeAll(handle, part)
    } finally {
      await handle.close()
    }
  }

  /**
   * Takes a file over from elsewhere on this filesystem. It is not linked: OpenClaw refuses an include that has a
   * second name, and a database that is rewritten here would change there.
   */
  async adopt(path: string, from: string): Promise<void> {
    const place = await this.#place(path)
    await rename(onDisk(from), place)
    const handle = await open(place, O_RDONLY | O_NOFOLLOW)
    try {
      await handle.chmod(DRAFT_FILE)
    } finally {
      await handle.close()
    }
  }

  async finish(): Promise<void> {
    for (const { path, entry } of this.#links) {
      const place = await this.#place(path)
      await symlink(Buffer.from(entry.target ?? new Uint8Array()), place)
      await lutimes(place, entry.modifiedAt / 1000, entry.modifiedAt / 1000)
    }
    await this.close()
  }

  async close(): Promise<void> {
    for (const { handle } of this.#open.splice(0)) await handle.close()
    await this.#above?.close()
    this.#above = undefined
  }

  /** The name to make something at, its directory being there. */
  async #place(path: string): Promise<Buffer> {
    if (path === '') return below(await this.#top(), parentOf(this.#root), nameOf(this.#root))
    const names = path.split('/')
    const directory = await this.#directory(['', ...names.slice(0, -1)])
    const absolute = [this.#root, ...names.slice(0, -1)].join('/')
    return below(directory, absolute, names.at(-1) as string)
  }

  async #top(): Promise<FileHandle> {
    this.#above ??= await open(onDisk(parentOf(this.#root)), O_RDONLY | O_DIRECTORY)
    return this.#above
  }

  /** Opens, and makes where missing, the directory at `names`, of which the first stands for the unit itself. */
  async #directory(names: readonly string[]): Promise<FileHandle> {
    let same = 0
    while (same < names.length && this.#open[same]?.name === names[same]) same++
    for (const { handle } of this.#open.splice(same).toReversed()) await handle.close()
    for (let depth = same; depth < names.length; depth++) {
      const above = this.#open.at(-1)?.handle ?? (await this.#top())
      const name = depth === 0 ? nameOf(this.#root) : (names[depth] as string)
      const absolute =
        depth === 0 ? parentOf(this.#root) : [this.#root, ...names.slice(1, depth)].join('/')
      const path = below(above, absolute, name)
      if (!(await exists(pathFromBytes(path)))) await mkdir(path, { mode: DRAFT_DIRECTORY })
      const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      this.#open.push({ name: names[depth] as string, handle })
    }
    return this.#open.at(-1)?.handle as FileHandle
  }
}

/** Linux names what lies below an open directory; elsewhere the path has to do. */
const below = (directory: FileHandle, absolute: string, name: string): Buffer =>
  process.platform === 'linux'
    ? Buffer.concat([Buffer.from(`/proc/self/fd/${directory.fd}/`), onDisk(name)])
    : onDisk(`${absolute}/${name}`)

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at)
    at += bytesWritten
  }
}

/**
 * Gives a staged unit its permissions and times, deepest first, and makes all of it durable, whatever has changed or
 * added to it since it was written.
 */
export async function sealTree(root: string, entries: readonly NewEntry[]): Promise<void> {
  const known = new Map(entries.map(({ path, entry }) => [path, entry]))
  await sealBelow(root, '', known)
  await fsyncDirectory(parentOf(root))
}

const AT_ONCE = 8

async function sealBelow(
  root: string,
  path: string,
  known: ReadonlyMap<string, Entry>,
): Promise<void> {
  const absolute = path === '' ? root : `${root}/${path}`
  const stat = await statOf(absolute)
  if (stat?.isDirectory()) {
    const names = await namesIn(absolute)
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE)
      await Promise.all(
        some.map((name) => sealBelow(root, path === '' ? name : `${path}/${name}`, known)),
      )
    }
  }
  if (stat?.isDirectory() || stat?.isFile()) await sealOne(absolute, known.get(path))
}

const sealOne = (absolute: string, entry: Entry | undefined) =>
  withOpen(absolute, O_RDONLY | O_NOFOLLOW, async (handle) => {
    if (entry) {
      const seconds = entry.modifiedAt / 1000
      await handle.utimes(seconds, seconds)
      await handle.chmod(entry.mode & PERMISSIONS)
    }
    await handle.sync()
  })
