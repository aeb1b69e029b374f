/** The snapshot that an errand is about: from a store's directory, or asked for range by range. */
import { open } from 'node:fs/promises'
import {
  type Entry,
  type FetchRange,
  type Manifest,
  type ManifestRoot,
  OcmError,
  type OpenerOf,
  type PackId,
  Packs,
  type Primitives,
  type SnapshotHeader,
  type WriteErrand,
  concat,
  decodeRoot,
  equal,
  manifestFromPages,
  openManifestRoot,
  openerByVault,
  pathFromBytes,
  readEntry,
  readManifest,
  readSnapshot,
} from '@ocm/protocol'

export interface OpenSource {
  readonly header: SnapshotHeader
  readonly root: ManifestRoot
  readonly packs: Packs
  readonly fetch: FetchRange
  readonly openerOf: OpenerOf
  read(entry: Entry): AsyncGenerator<Uint8Array>
}

/** @throws OcmError 'signature-invalid', 'seal-broken', 'malformed' */
export function openSource(
  p: Primitives,
  source: WriteErrand['source'],
  ask: FetchRange,
): OpenSource {
  const header = readSnapshot(p, source.signer, source.header)
  const key = source.keys.find(({ epoch }) => epoch === header.epoch)
  if (!key) throw new OcmError('epoch-unknown', { epoch: header.epoch })
  const sealing = p.x25519Pair(key.sealing)
  const root = decodeRoot(openManifestRoot(p, sealing, header))
  const fetch = source.store === null ? ask : rangesIn(source.store)
  const openerOf = openerByVault({ sealing, node: header.node })
  const packs = new Packs(p, root, fetch, openerOf)
  return { header, root, packs, fetch, openerOf, read: (entry) => readEntry(packs, entry) }
}

/** Packs as a hub's directory holds them: `<aa>/<sha256>`. @throws OcmError 'pack-missing', 'pack-damaged' */
export function rangesIn(store: string): FetchRange {
  return async (pack: PackId, offset, length) => {
    const bytes = new Uint8Array(length)
    let at = 0
    try {
      const handle = await open(`${store}/${pack.slice(0, 2)}/${pack}`, 'r')
      try {
        while (at < length) {
          const { bytesRead } = await handle.read(bytes, at, length - at, offset + at)
          if (bytesRead === 0) break
          at += bytesRead
        }
      } finally {
        await handle.close()
      }
    } catch (cause) {
      const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
      throw new OcmError(isMissing ? 'pack-missing' : 'pack-damaged', { pack }, { cause })
    }
    if (at < length) throw new OcmError('pack-damaged', { pack })
    return bytes
  }
}

export interface ReadManifest {
  readonly manifest: Manifest
  /** Pages that could not be read, with what they list. */
  readonly lostPages: readonly { readonly page: number; readonly error: OcmError }[]
}

/**
 * @param partial go on without pages that do not open; what they list is not known then.
 * @throws OcmError 'pack-damaged', 'pack-missing', 'malformed'
 */
export async function manifestOf(packs: Packs, partial: boolean): Promise<ReadManifest> {
  if (!partial) return { manifest: await readManifest(packs), lostPages: [] }
  const pages: Uint8Array[] = []
  const lostPages: ReadManifest['lostPages'][number][] = []
  for (const [i, page] of packs.root.pages.entries()) {
    try {
      const parts: Uint8Array[] = []
      for (const ref of page.extents) parts.push(await packs.extent(ref, 'tree'))
      const bytes = concat(...parts)
      if (!equal(packs.p.sha256(bytes), page.sha256)) throw new OcmError('pack-damaged')
      pages.push(bytes)
    } catch (error) {
      if (!isDamage(error)) throw error
      lostPages.push({ page: i, error })
    }
  }
  return { manifest: manifestFromPages(pages), lostPages }
}

/** What costs a file and not the snapshot. */
export const isDamage = (error: unknown): error is OcmError =>
  error instanceof OcmError && ['pack-damaged', 'pack-missing'].includes(error.code)

export const spelled = ({ root, path }: Pick<Entry, 'root' | 'path'>): string =>
  `${root}:${pathFromBytes(path)}`
