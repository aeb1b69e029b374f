/** Writes a snapshot as one archive, of the kind that `openclaw backup create` makes and `openclaw backup verify` takes. */
import { createWriteStream } from 'node:fs'
import { lstat, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import {
  type ArchiveErrand,
  type ArchiveResult,
  type Entry,
  type ErrandEvent,
  type FetchRange,
  type Layout,
  type Manifest,
  OcmError,
  type Primitives,
  absoluteOf,
  isWithin,
  pathFromBytes,
  snapshotIdOf,
} from '@ocm/protocol'
import { fsyncDirectory } from '../apply/disk.ts'
import { type TarItem, tarEnd, tarHeader, tarPadding } from '../archive/write-tar.ts'
import {
  MANIFEST_MAX_BYTES,
  archivePathOf,
  archiveRootAt,
  writeBackupManifest,
} from '../openclaw/backup-manifest.ts'
import { type OpenSource, manifestOf, openSource, spelled } from './source.ts'

export interface ArchiveParts {
  readonly p: Primitives
  readonly ask: FetchRange
  tell(event: ErrandEvent): Promise<void>
}

interface Placed {
  readonly entry: Entry
  readonly absolute: string
}

/**
 * What fails leaves nothing behind.
 * @throws OcmError 'target-not-empty', 'pack-damaged', 'pack-missing'
 */
export async function archiveSnapshot(
  { p, ask, tell }: ArchiveParts,
  { source, to }: ArchiveErrand,
): Promise<ArchiveResult> {
  const opened = openSource(p, source, ask)
  const { manifest } = await manifestOf(opened.packs, false)
  const placed = placedIn(manifest)
  const root = archiveRootAt(opened.header.finishedAt)
  const text = manifestText(manifest.layout, placed, root, opened, snapshotIdOf(p, source.header))
  await mkdir(dirname(to), { recursive: true })
  if (await isThere(to)) throw new OcmError('target-not-empty')
  const draft = `${to}.part`
  try {
    const total = placed.reduce((sum, { entry }) => sum + entry.size, 0)
    const parts = bytesOf(opened, placed, root, text, (done) =>
      tell({ kind: 'progress', phase: 'writing', done, total }),
    )
    const file = createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true })
    await pipeline(Readable.from(parts, { objectMode: false }), createGzip(), file)
    await rename(draft, to)
    await fsyncDirectory(dirname(to))
    return {
      files: placed.filter(({ entry }) => entry.kind !== 'directory').length,
      bytes: total,
      archiveBytes: (await lstat(to)).size,
      warnings: [...warningsOf(manifest, placed)],
    }
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** Directories before what is in them. Messages on their way out stay: sent again they would be sent twice. */
function placedIn({ layout, entries }: Manifest): readonly Placed[] {
  return entries
    .flatMap((entry): Placed[] => {
      const absolute = absoluteOf(layout, { root: entry.root, path: pathFromBytes(entry.path) })
      return absolute === undefined || entry.travel === 'never' ? [] : [{ entry, absolute }]
    })
    .toSorted((a, b) => (a.absolute < b.absolute ? -1 : 1))
}

function manifestText(
  layout: Layout,
  placed: readonly Placed[],
  archiveRoot: string,
  { header }: OpenSource,
  snapshot: string,
): string {
  const { state = '' } = layout.roots
  const personas = placed.flatMap(({ entry, absolute }) => {
    if (entry.kind !== 'directory') return []
    const id = new RegExp(`^agents/([^/]+)/agent$`).exec(pathFromBytes(entry.path))?.[1]
    return entry.root === 'state' && id !== undefined ? [{ id, absolute }] : []
  })
  const links = placed.flatMap(({ entry, absolute }) => {
    if (entry.kind !== 'link' || entry.target === undefined) return []
    const link = {
      // As a reader of the archive comes to see them.
      entryPath: Buffer.from(archivePathOf(archiveRoot, absolute)).toString('utf8'),
      linkpath: Buffer.from(entry.target).toString('utf8'),
    }
    const target = posix.isAbsolute(link.linkpath)
      ? posix.normalize(link.linkpath)
      : posix.join(posix.dirname(absolute), link.linkpath)
    return isWithin(state, target) ? [] : [link]
  })
  const text = writeBackupManifest({
    archiveRoot,
    createdAt: header.finishedAt,
    layout,
    assets: assetsOf(placed),
    personas,
    links,
    snapshot,
  })
  if (Buffer.byteLength(text) > MANIFEST_MAX_BYTES) {
    throw new OcmError('archive-too-large', {
      what: 'bytes of a manifest',
      limit: MANIFEST_MAX_BYTES,
    })
  }
  return text
}

/** What lies in nothing else of the snapshot. */
function assetsOf(placed: readonly Placed[]): { root: string; absolute: string }[] {
  const assets: { root: string; absolute: string }[] = []
  for (const { entry, absolute } of placed) {
    const last = assets.at(-1)
    if (last !== undefined && isWithin(last.absolute, absolute)) continue
    if (assets.some((asset) => isWithin(asset.absolute, absolute))) continue
    assets.push({ root: entry.root, absolute })
  }
  return assets
}

const TELL_BYTES = 8 * 1024 * 1024

async function* bytesOf(
  opened: OpenSource,
  placed: readonly Placed[],
  root: string,
  manifest: string,
  tell: (done: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let done = 0
  let told = 0
  for (const { entry, absolute } of placed) {
    yield tarHeader(itemOf(entry, archivePathOf(root, absolute)))
    if (entry.kind === 'directory' || entry.kind === 'link') continue
    for await (const part of opened.read(entry)) yield part
    yield tarPadding(entry.size)
    done += entry.size
    if (done - told < TELL_BYTES) continue
    told = done
    await tell(done)
  }
  const text = Buffer.from(manifest)
  const item = { kind: 'file', mode: 0o644, modifiedAt: opened.header.finishedAt } as const
  yield tarHeader({ ...item, path: `${root}/manifest.json`, size: text.length })
  yield text
  yield tarPadding(text.length)
  yield tarEnd()
}

function itemOf(entry: Entry, path: string): TarItem {
  const kind = entry.kind === 'database' ? 'file' : entry.kind
  return {
    kind,
    path,
    size: kind === 'file' ? entry.size : 0,
    mode: entry.mode & 0o777,
    modifiedAt: entry.modifiedAt,
    ...(entry.target === undefined ? {} : { target: entry.target }),
  }
}

/** What `openclaw backup verify` refuses though a file system may hold it, and what is not in the archive. */
function* warningsOf(manifest: Manifest, placed: readonly Placed[]): Generator<string> {
  const seen = new Map<string, string>()
  for (const { entry, absolute } of placed) {
    const key = absolute.normalize('NFC').toLowerCase()
    if (seen.has(key)) yield `names-collide ${spelled(entry)}`
    seen.set(key, absolute)
    if (absolute.includes('\\')) yield `backslash ${spelled(entry)}`
    if (entry.unstable === true) yield `unstable ${spelled(entry)}`
  }
  const left = manifest.entries.filter(({ travel }) => travel === 'never').length
  if (left > 0) yield `left-out ${left}`
}
