/** A snapshot with its manifest in clear, believed only as far as its node's own signature goes. */
import {
  type Entry,
  type Manifest,
  ManifestPage,
  ManifestRoot,
  OcmError,
  type SnapshotHeader,
  concat,
  decodeAs,
  equal,
  fromBase64url,
  openManifestRoot,
  readSnapshot,
  snapshotIdOf,
} from '@ocm/protocol'
import { confirmedKey } from '../vault/nodes.ts'
import type { Ports, Unlocked } from '../vault/unlock.ts'
import { type Packs, openPacks } from './packs.ts'

export interface OpenedSnapshot {
  readonly id: string
  readonly node: string
  readonly header: SnapshotHeader
  /** The header as it was signed. */
  readonly statement: Uint8Array
  readonly root: ManifestRoot
  readonly manifest: Manifest
  readonly packs: Packs
  /** The content of a file or database, checked against its hash at the end. @throws OcmError 'pack-damaged' */
  read(entry: Entry): AsyncGenerator<Uint8Array>
}

/** @throws OcmError 'signature-invalid', 'node-unconfirmed', 'pack-missing', 'pack-damaged', 'malformed' */
export async function openSnapshot(
  ports: Ports,
  unlocked: Unlocked,
  id: string,
): Promise<OpenedSnapshot> {
  const { p, api } = ports
  const { node } = await api.snapshot(id)
  const statement = fromBase64url((await api.snapshotHeader(id)).header)
  // The key is the one that operators confirmed, whatever the hub shows beside the header.
  const header = readSnapshot(p, confirmedKey(unlocked, node), statement)
  if (snapshotIdOf(p, statement) !== id || header.node !== node) {
    throw new OcmError('signature-invalid', { what: 'snapshot' })
  }
  const sealed = openManifestRoot(p, unlocked.vault.sealing, header)
  const root = decodeAs(ManifestRoot, sealed, 'manifest root')
  const packs = openPacks(ports, unlocked, root)
  const manifest = await readManifest(ports, packs, root)
  return {
    id,
    node,
    header,
    statement,
    root,
    manifest,
    packs,
    read: (entry) => readEntry(ports, packs, entry),
  }
}

async function readManifest({ p }: Ports, packs: Packs, root: ManifestRoot): Promise<Manifest> {
  const pages: ManifestPage[] = []
  for (const { extents, sha256, bytes } of root.pages) {
    const parts: Uint8Array[] = []
    for (const extent of extents) parts.push(await packs.read(extent))
    const page = concat(...parts)
    if (page.length !== bytes || !equal(p.sha256(page), sha256)) throw new OcmError('pack-damaged')
    pages.push(decodeAs(ManifestPage, page, 'manifest'))
  }
  const meta = pages.find((page) => page[0] === 'meta')?.[1]
  if (meta === undefined) throw new OcmError('malformed', { what: 'manifest' })
  return {
    ...meta,
    entries: pages.flatMap((page) => (page[0] === 'entries' ? page[1] : [])),
    omissions: pages.flatMap((page) => (page[0] === 'omissions' ? page[1] : [])),
    mentions: pages.flatMap((page) => (page[0] === 'mentions' ? page[1] : [])),
  }
}

async function* readEntry({ p }: Ports, packs: Packs, entry: Entry): AsyncGenerator<Uint8Array> {
  const hash = p.sha256Parts()
  let length = 0
  for (const extent of entry.extents ?? []) {
    const part = await packs.read(extent)
    hash.update(part)
    length += part.length
    yield part
  }
  const whole = length === entry.size
  const same = entry.sha256 === undefined || equal(hash.digest(), entry.sha256)
  if (!whole || !same) throw new OcmError('pack-damaged')
}
