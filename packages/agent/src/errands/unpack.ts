/**
 * Takes an archive from anywhere apart. It is read twice: once whole, to know that nothing in it is wrong, and only then
 * again to write what it holds. Links are not made here but told: nothing can be written through what is not there.
 */
import { constants } from 'node:fs'
import { type FileHandle, chmod, mkdir, open, readdir, statfs, utimes } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import {
  type ErrandEvent,
  OcmError,
  type UnpackErrand,
  type UnpackResult,
  base64url,
  isWithin,
  pathToBytes,
} from '@ocm/protocol'
import { staysWithin, relativeTo } from '../archive/links.ts'
import { Names, checkedPath } from '../archive/names.ts'
import { plainBytes } from '../archive/open-archive.ts'
import { type TarEntry, type TarLimits, readTar } from '../archive/read-tar.ts'
import { refused, tooLarge } from '../archive/refused.ts'
import { removeTree } from '../apply/disk.ts'
import {
  MANIFEST_MAX_BYTES,
  type ReadBackup,
  isManifest,
  readBackupManifest,
  sourcePathOf,
} from '../openclaw/backup-manifest.ts'

const ENTRIES_MAX = 200_000
const FILE_MAX_BYTES = 4 * 1024 ** 3
/** Of what is free where it is unpacked. */
const SHARE_OF_FREE = 0.9

/** Nobody may change these, and files are for their owner to read. */
const KEPT_MODE = 0o775

interface Listed extends Omit<TarEntry, 'path'> {
  /** Without a slash at its end. */
  readonly path: string
}

interface Contents {
  readonly backup: ReadBackup
  readonly entries: readonly Listed[]
  /** By absolute path, the target as it is to be. */
  readonly links: ReadonlyMap<string, string>
  readonly leftOut: readonly string[]
  readonly bytes: number
  /** Of all plain bytes: the second reading must have read the same. */
  readonly hash: string
}

/** @throws OcmError 'archive-refused', 'archive-too-large', 'archive-unreadable', 'target-not-empty' */
export async function unpack(
  tell: (event: ErrandEvent) => Promise<void>,
  errand: UnpackErrand,
): Promise<UnpackResult> {
  if ((await readdir(errand.to)).length > 0) throw new OcmError('target-not-empty')
  const limits = await limitsAt(errand.to)
  await tell({ kind: 'progress', phase: 'checking', done: 0, total: 0 })
  const contents = await look(errand, limits)
  await tell({ kind: 'progress', phase: 'writing', done: 0, total: contents.bytes })
  try {
    await write(errand, limits, contents)
  } catch (error) {
    for (const name of await readdir(errand.to)) await removeTree(`${errand.to}/${name}`)
    throw error
  }
  return {
    entries: contents.entries.length,
    bytes: contents.bytes,
    origin: contents.backup.origin,
    leftOut: [...contents.leftOut],
    links: [...contents.links].map(([path, target]) => ({
      path: base64url(pathToBytes(path)),
      target: base64url(pathToBytes(target)),
    })),
  }
}

async function limitsAt(to: string): Promise<TarLimits> {
  const { bavail, bsize } = await statfs(to)
  return {
    entries: ENTRIES_MAX,
    fileBytes: FILE_MAX_BYTES,
    totalBytes: Math.floor(bavail * bsize * SHARE_OF_FREE),
  }
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>) {
  for await (const part of source) {
    hash.update(part)
    yield part
  }
}

/** The whole archive, without writing any of it. */
async function look(
  { archive, maxRatio, skipLinks }: UnpackErrand,
  limits: TarLimits,
): Promise<Contents> {
  const entries: Listed[] = []
  const names = new Names()
  const manifest: Uint8Array[] = []
  const hash = createHash('sha256')
  let inManifest = false
  let bytes = 0
  await readTar(hashed(plainBytes(archive, maxRatio), hash), limits, {
    entry(entry) {
      const path = checkedPath(entry)
      if (entries.length === limits.entries) throw tooLarge('entries', limits.entries)
      names.add(path, entry)
      entries.push({ ...entry, path })
      bytes += entry.size
      inManifest = isManifest(path) && entry.kind === 'file'
      if (!inManifest) return
      if (manifest.length > 0) throw refused('it has two manifests', entry.number)
      if (entry.size > MANIFEST_MAX_BYTES) throw tooLarge('bytes of a manifest', MANIFEST_MAX_BYTES)
    },
    content(part) {
      if (inManifest) manifest.push(part.slice())
    },
    end: () => undefined,
  })
  if (manifest.length === 0) throw refused('it has no manifest')
  const backup = readBackupManifest(Buffer.concat(manifest).toString('utf8'))
  const { links, leftOut } = linksIn(entries, backup, skipLinks)
  checkAssets(entries, backup)
  return { backup, entries, links, leftOut, bytes, hash: hash.digest('hex') }
}

/** Everything lies in what the manifest lists, and nothing that it lists is missing. */
function checkAssets(entries: readonly Listed[], { archiveRoot, assets }: ReadBackup): void {
  const there = new Set<string>()
  for (const { path, number, kind } of entries) {
    if (path === archiveRoot || path === `${archiveRoot}/manifest.json`) continue
    const absolute = sourcePathOf(archiveRoot, path)
    const asset = absolute === undefined ? undefined : assetOf(assets, absolute)
    if (asset !== undefined) there.add(asset)
    else if (kind !== 'directory' || !isAbove(archiveRoot, assets, path)) {
      throw refused('something in it is not what its manifest lists', number)
    }
  }
  if (assets.some((asset) => !there.has(asset)))
    throw refused('something that its manifest lists is missing')
}

const assetOf = (assets: readonly string[], absolute: string): string | undefined =>
  assets.find((asset) => isWithin(asset, absolute))

const isAbove = (archiveRoot: string, assets: readonly string[], path: string): boolean =>
  assets.some((asset) => isWithin(path, `${archiveRoot}/payload/posix${asset}`))

/** Links that stay inside what they are part of; an absolute one that does is made relative. */
function linksIn(entries: readonly Listed[], { archiveRoot, assets }: ReadBackup, skip: boolean) {
  const given = new Map<string, string>()
  const numbers = new Map<string, number>()
  for (const { kind, path, target, number } of entries) {
    const absolute = kind === 'link' ? sourcePathOf(archiveRoot, path) : undefined
    if (absolute === undefined) continue
    if (target.includes('\0')) throw refused('a link has a zero byte in its target', number)
    numbers.set(absolute, number)
    const asset = assetOf(assets, absolute)
    const isHere = target.startsWith('/') && asset !== undefined && isWithin(asset, target)
    given.set(absolute, isHere ? relativeTo(absolute, target) : target)
  }
  const links = new Map<string, string>()
  const leftOut: string[] = []
  for (const [absolute, target] of given) {
    const asset = assetOf(assets, absolute)
    if (asset !== undefined && asset !== absolute && staysWithin(given, asset, absolute)) {
      links.set(absolute, target)
    } else if (skip) leftOut.push(absolute)
    else throw refused('a link leads out of it', numbers.get(absolute))
  }
  return { links, leftOut }
}

async function write(
  { archive, maxRatio, to }: UnpackErrand,
  limits: TarLimits,
  { backup, entries, links, hash: wanted }: Contents,
): Promise<void> {
  const made = new Set<string>()
  const directories: { readonly at: string; readonly entry: TarEntry }[] = []
  const hash = createHash('sha256')
  let handle: FileHandle | undefined
  let writing = ''
  let n = 0
  const place = async (absolute: string): Promise<string> => {
    await makeAll(to, dirname(absolute), made)
    return to + absolute
  }
  try {
    await readTar(hashed(plainBytes(archive, maxRatio), hash), limits, {
      async entry(entry) {
        const before = entries[n++]
        if (
          before?.path !== checkedPath(entry) ||
          before.size !== entry.size ||
          before.kind !== entry.kind
        ) {
          throw refused('it was changed while it was read', entry.number)
        }
        const absolute = sourcePathOf(backup.archiveRoot, before.path)
        writing = ''
        if (absolute === undefined || entry.kind === 'link') return
        if (entry.kind === 'directory') {
          await makeAll(to, absolute, made)
          directories.push({ at: to + absolute, entry })
        } else {
          const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
          writing = await place(absolute)
          handle = await open(onDisk(writing), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
        }
      },
      content: async (bytes) => handle?.writeFile(bytes),
      async end(entry) {
        await handle?.close()
        handle = undefined
        if (entry.kind !== 'file' || writing === '') return
        // By its name: what a process with few rights may not do is change an open file's.
        await utimes(onDisk(writing), entry.modifiedAt, entry.modifiedAt)
        await chmod(onDisk(writing), (entry.mode & KEPT_MODE) | 0o400)
      },
    })
  } finally {
    await handle?.close()
  }
  if (hash.digest('hex') !== wanted) throw refused('it was changed while it was read')
  for (const absolute of links.keys()) await place(absolute)
  for (const { at, entry } of directories.toReversed()) {
    await utimes(onDisk(at), entry.modifiedAt, entry.modifiedAt)
    await chmod(onDisk(at), (entry.mode & KEPT_MODE) | 0o700)
  }
}

const onDisk = (path: string): Buffer => Buffer.from(pathToBytes(path))

async function makeAll(to: string, absolute: string, made: Set<string>): Promise<void> {
  if (absolute === '/' || made.has(absolute)) return
  await makeAll(to, dirname(absolute), made)
  await mkdir(onDisk(to + absolute), { mode: 0o700 })
  made.add(absolute)
}
