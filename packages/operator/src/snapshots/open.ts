/** A snapshot with its manifest in clear, believed only as far as its node's own signature goes. */
import {
  type Entry,
  type FetchRange,
  type KeyPair,
  type Manifest,
  type ManifestRoot,
  OcmError,
  Packs,
  type Primitives,
  type SnapshotHeader,
  concat,
  decodeRoot,
  findEntry,
  fromBase64url,
  openManifestRoot,
  openerByVault,
  readEntry,
  readManifest,
  readSnapshot,
  snapshotIdOf,
} from '@ocm/protocol'
import { rememberHead } from '../vault/memory.ts'
import { readingKey } from '../vault/nodes.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'

export interface OpenedSnapshot {
  readonly id: string
  readonly node: string
  readonly header: SnapshotHeader
  /** Its node was retired: it can be read, and nothing can be ordered from it. */
  readonly retired: boolean
  /** The header as it was signed. */
  readonly statement: Uint8Array
  readonly root: ManifestRoot
  readonly manifest: Manifest
  /**
   * The content of a file or database; it is whole and unchanged only when this has ended without an error.
   * @throws OcmError 'pack-damaged'
   */
  read(entry: Entry): AsyncGenerator<Uint8Array>
}

/** A snapshot of which nothing but the root is read yet. */
export type SnapshotRoot = Omit<OpenedSnapshot, 'manifest' | 'read'> & {
  readonly packs: Packs
  /** The key that its runs are sealed to. */
  readonly sealing: KeyPair
}

/**
 * Reads while the vault stays open.
 * @throws OcmError 'signature-invalid', 'node-unconfirmed', 'epoch-unknown', 'pack-missing', 'pack-damaged', 'malformed'
 */
export async function openSnapshot(
  ports: Ports,
  unlocked: Unlocked,
  id: string,
): Promise<OpenedSnapshot> {
  const { packs, sealing: _, ...root } = await openRoot(ports, unlocked, id)
  const manifest = await readManifest(packs)
  return { ...root, manifest, read: (entry) => readEntry(packs, entry) }
}

/** What the hub says of a snapshot. It needs no key, so it can be asked for while a vault opens. */
export async function askFor({ api }: Pick<Ports, 'api'>, id: string): Promise<Served> {
  const [{ node }, served] = await Promise.all([api.snapshot(id), api.snapshotHeader(id)])
  return { node, id, served }
}

/** @throws OcmError 'signature-invalid', 'node-unconfirmed', 'epoch-unknown', 'malformed' */
export const openRoot = async (
  ports: Ports,
  unlocked: Unlocked,
  id: string,
): Promise<SnapshotRoot> => rootOf(ports, unlocked, await askFor(ports, id))

function rootOf({ p, api }: Ports, unlocked: Unlocked, asked: Served): SnapshotRoot {
  const { node, id } = asked
  const { header, statement, retired } = headerFrom(p, unlocked, asked)
  const sealing = unlocked.epochs.of(header.epoch)
  const root = decodeRoot(openManifestRoot(p, sealing, header))
  const fetch: FetchRange = (...range) => api.packBytes(...range)
  const packs = new Packs(p, root, fetch, openerByVault({ sealing, node }))
  return { id, node, header, retired, statement, root, packs, sealing }
}

/**
 * The content of one file or database, whole and verified, without reading the rest of the manifest.
 * @param asked what `askFor` answered
 * @param at its root and the bytes of its path.
 * @throws OcmError 'not-found', and what `openRoot` and the packs throw
 */
export async function readOne(
  ports: Ports,
  unlocked: Unlocked,
  asked: Served,
  at: Pick<Entry, 'root' | 'path'>,
): Promise<{ readonly entry: Entry; readonly content: Uint8Array }> {
  const { packs } = rootOf(ports, unlocked, asked)
  const entry = await findEntry(packs, at)
  if (entry?.extents === undefined) throw new OcmError('not-found', { what: 'file' })
  const parts: Uint8Array[] = []
  for await (const part of readEntry(packs, entry)) parts.push(part)
  return { entry, content: concat(...parts) }
}

/** The newest snapshot of a node; one older than what this machine has seen is refused. @throws OcmError */
export async function newestSnapshot(
  ports: Ports,
  unlocked: Unlocked,
  node: string,
): Promise<string> {
  const [newest] = await ports.api.snapshots(node)
  if (newest === undefined) throw new OcmError('not-found', { what: 'snapshot of this node' })
  const { header } = await readHeader(ports, unlocked, node, newest.id)
  await rememberHead(ports.memory, node, { seq: header.seq, id: newest.id })
  return newest.id
}

/** The key is the one that operators confirmed, whatever the hub shows beside the header; see `readingKey` for a retired node. */
export const readHeader = async (
  { p, api }: Ports,
  unlocked: Unlocked,
  node: string,
  id: string,
): Promise<Header> => headerFrom(p, unlocked, { node, id, served: await api.snapshotHeader(id) })

export interface Served {
  readonly node: string
  readonly id: string
  readonly served: Awaited<ReturnType<Ports['api']['snapshotHeader']>>
}

interface Header {
  readonly header: SnapshotHeader
  readonly statement: Uint8Array
  readonly signer: Uint8Array
  readonly retired: boolean
}

function headerFrom(p: Primitives, unlocked: Unlocked, { node, id, served }: Served): Header {
  const statement = fromBase64url(served.header)
  const { key, retired } = readingKey(unlocked, node, fromBase64url(served.nodeKey))
  const header = readSnapshot(p, key, statement)
  if (snapshotIdOf(p, statement) !== id || header.node !== node) {
    throw new OcmError('signature-invalid', { what: 'snapshot' })
  }
  return { header, statement, signer: key, retired }
}
