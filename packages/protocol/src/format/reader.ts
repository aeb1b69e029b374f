/**
 * Reading a snapshot: root ▶ pages ▶ manifest ▶ entries. Everything is checked against hashes that go back to the
 * node's signature: the root is sealed in the signed header, names the hash of each pack's header and of each page,
 * and each entry carries the hash of its content.
 */
import { equal, hex } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { PackId } from '../ids.ts'
import {
  type Entry,
  type ExtentRef,
  type Manifest,
  ManifestRoot,
  type PackClass,
} from '../manifest.ts'
import type { Primitives } from '../primitives/primitives.ts'
import { decodeAs } from '../shapes.ts'
import { contentHash } from './extent.ts'
import { MANIFEST_MAX_BYTES, MANIFEST_MAX_PAGES, PACK_MAX_BYTES, PAGE_MAX_BYTES } from './limits.ts'
import { entryFromPage, manifestFromPages } from './manifest-pages.ts'
import {
  type OpenPack,
  type PackOpener,
  type PackRanges,
  type VaultOpener,
  openPack,
} from './open-pack.ts'

/** Bytes of a stored pack. @throws OcmError 'pack-missing' and whatever the way there may throw. */
export type FetchRange = (pack: PackId, offset: number, length: number) => Promise<Uint8Array>

/** @returns undefined for a pack that was not granted. */
export type OpenerOf = (pack: PackId) => PackOpener | undefined

/** @throws OcmError 'malformed' */
export const decodeRoot = (root: Uint8Array): ManifestRoot =>
  decodeAs(ManifestRoot, root, 'manifest root')

/** Packs up to this are fetched at one go and verified whole, whatever is wanted of them. */
const WHOLE_BYTES = 256 * 1024
/** Plaintext kept at hand: neighbouring entries share segments. */
const KEPT_SEGMENTS = 24
const KEPT_PACKS = 512

/** The packs of one snapshot. One of these serves one reader at a time; it keeps what it opened last. */
export class Packs {
  readonly p: Primitives
  readonly root: ManifestRoot
  readonly #fetch: FetchRange
  readonly #openerOf: OpenerOf
  readonly #known: ReadonlyMap<PackId, ManifestRoot['packs'][number]>
  readonly #open = new Map<PackId, Promise<OpenPack>>()
  readonly #segments = new Map<string, Promise<Uint8Array>>()

  constructor(p: Primitives, root: ManifestRoot, fetch: FetchRange, openerOf: OpenerOf) {
    this.p = p
    this.root = root
    this.#fetch = fetch
    this.#openerOf = openerOf
    this.#known = new Map(root.packs.map((pack) => [hex(pack.id), pack]))
  }

  /**
   * The bytes of one reference.
   * @throws OcmError 'pack-damaged'; 'seal-broken' when the pack was not granted
   */
  async extent(
    [packId, number, offset, length]: ExtentRef,
    inClass?: PackClass,
  ): Promise<Uint8Array> {
    const id = hex(packId)
    if (inClass !== undefined && this.#known.get(id)?.class !== inClass) throw notThere(id)
    const segment = await this.#segment(id, number)
    if (length === 0 || offset + length > segment.length) throw notThere(id)
    return segment.subarray(offset, offset + length)
  }

  /** For whoever wants most of a pack, so that it is fetched at one go. @throws OcmError 'pack-damaged', 'seal-broken' */
  async openWhole(id: PackId, inClass: PackClass): Promise<void> {
    if (this.#known.get(id)?.class !== inClass) throw notThere(id)
    await kept(this.#open, id, KEPT_PACKS, () => this.#openPack(id, PACK_MAX_BYTES))
  }

  #segment(id: PackId, number: number): Promise<Uint8Array> {
    return kept(this.#segments, `${id} ${number}`, KEPT_SEGMENTS, async () => {
      const pack = await kept(this.#open, id, KEPT_PACKS, () => this.#openPack(id, WHOLE_BYTES))
      return pack.segment(number)
    })
  }

  /** @param whole a pack up to this is fetched at one go */
  async #openPack(id: PackId, whole: number): Promise<OpenPack> {
    const known = this.#known.get(id)
    if (!known || known.bytes > PACK_MAX_BYTES) throw notThere(id)
    const opener = this.#openerOf(id)
    if (!opener) throw new OcmError('seal-broken', { pack: id })
    const source =
      known.bytes <= whole
        ? await this.#fetch(id, 0, known.bytes)
        : await this.#ranges(id, known.bytes)
    const pack = await openPack(this.p, source, opener, { id, header: known.header })
    if (pack.header.class !== known.class) throw notThere(id)
    return pack
  }

  /** Both ends are asked for at once, so that a pack is open after one round trip. */
  async #ranges(id: PackId, bytes: number): Promise<PackRanges> {
    const [start, end] = await Promise.all([
      this.#fetch(id, 0, END_BYTES),
      this.#fetch(id, bytes - END_BYTES, END_BYTES),
    ])
    return {
      bytes,
      read: async (offset, length) => {
        if (offset + length <= start.length) return start.subarray(offset, offset + length)
        const inEnd = offset - (bytes - end.length)
        if (inEnd >= 0) return end.subarray(inEnd, inEnd + length)
        return this.#fetch(id, offset, length)
      },
    }
  }
}

/** A pack's header and, of most packs, its footer lie in as much of its two ends. */
const END_BYTES = 8 * 1024

const notThere = (pack: PackId) => new OcmError('pack-damaged', { pack })

/** What is at `key`, made if it is not there; the longest unused goes when there are too many. A failure is not kept. */
function kept<T>(
  map: Map<string, Promise<T>>,
  key: string,
  limit: number,
  make: () => Promise<T>,
): Promise<T> {
  const there = map.get(key)
  map.delete(key)
  const value = there ?? make()
  map.set(key, value)
  if (!there) value.catch(() => map.delete(key))
  const oldest = map.keys().next().value
  if (map.size > limit && oldest !== undefined) map.delete(oldest)
  return value
}

/** @throws OcmError 'pack-damaged', 'malformed', 'seal-broken' */
export async function readManifest(packs: Packs): Promise<Manifest> {
  return manifestFromPages(await readPages(packs))
}

/**
 * One entry, without reading more pages than up to the one that has it; undefined when none has.
 * @throws OcmError 'pack-damaged', 'malformed', 'seal-broken'
 */
export async function findEntry(
  packs: Packs,
  wanted: Pick<Entry, 'root' | 'path'>,
): Promise<Entry | undefined> {
  checkPages(packs.root.pages)
  for (const page of packs.root.pages) {
    const entry = entryFromPage(await readPage(packs, page), wanted)
    if (entry) return entry
  }
  return undefined
}

/** Packs of pages that are on their way at once. */
const PACKS_AT_ONCE = 4

/**
 * The CBOR of every page, each with the hash that the root names.
 * @throws OcmError 'pack-damaged', 'malformed', 'seal-broken'
 */
export async function readPages(packs: Packs): Promise<readonly Uint8Array[]> {
  const { pages } = packs.root
  checkPages(pages)
  const needed = [...new Set(pages.flatMap(({ extents }) => extents.map(([id]) => hex(id))))]
  for (let at = 0; at < needed.length; at += PACKS_AT_ONCE) {
    await Promise.all(needed.slice(at, at + PACKS_AT_ONCE).map((id) => packs.openWhole(id, 'tree')))
  }
  const read: Uint8Array[] = []
  for (const page of pages) read.push(await readPage(packs, page))
  return read
}

/** Before anything is fetched or allocated for them. */
function checkPages(pages: ManifestRoot['pages']): void {
  const total = pages.reduce((bytes, page) => bytes + page.bytes, 0)
  if (pages.length > MANIFEST_MAX_PAGES || total > MANIFEST_MAX_BYTES) throw tooLarge()
  for (const { bytes, extents } of pages) {
    const length = extents.reduce((sum, ref) => sum + ref[3], 0)
    if (bytes > PAGE_MAX_BYTES || length !== bytes) throw tooLarge()
  }
}

async function readPage(packs: Packs, page: ManifestRoot['pages'][number]): Promise<Uint8Array> {
  const bytes = new Uint8Array(page.bytes)
  let at = 0
  for (const ref of page.extents) {
    const part = await packs.extent(ref, 'tree')
    bytes.set(part, at)
    at += part.length
  }
  if (!equal(packs.p.sha256(bytes), page.sha256)) throw new OcmError('pack-damaged')
  return bytes
}

const tooLarge = () => new OcmError('malformed', { what: 'manifest' })

/**
 * The content of a file or database, in order. Each part has passed its segment's tag; that they are the right parts
 * is known only at the end, so what was written is not to be used before this has ended without an error.
 * @throws OcmError 'pack-damaged', 'seal-broken'
 */
export async function* readEntry(
  packs: Packs,
  entry: Pick<Entry, 'kind' | 'size' | 'sha256' | 'extents'>,
): AsyncGenerator<Uint8Array> {
  const hash = contentHash(packs.p, entry.kind, entry.size)
  let size = 0
  for (const ref of entry.extents ?? []) {
    const part = await packs.extent(ref)
    size += part.length
    if (size > entry.size) break
    hash.update(part)
    yield part
  }
  const right = size === entry.size && entry.sha256 && equal(hash.digest(), entry.sha256)
  if (!right) throw new OcmError('pack-damaged')
}

/** For a holder of the vault's sealing key. */
export const openerByVault =
  (opener: VaultOpener): OpenerOf =>
  () =>
    opener

/** For a holder of one or more grants. */
export function openerByGrants(
  ...grants: readonly (readonly (readonly [pack: Uint8Array, key: Uint8Array])[])[]
): OpenerOf {
  const keys = new Map(grants.flat().map(([pack, key]) => [hex(pack), key]))
  return (pack) => {
    const packKey = keys.get(pack)
    return packKey && { packKey }
  }
}
