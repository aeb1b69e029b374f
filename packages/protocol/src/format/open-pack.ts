/** Reading a pack, from its bytes or by ranges of them. Nothing of it is used before its tag has been verified. */
import { equal, hex } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { NodeId, PackId } from '../ids.ts'
import type { KeyPair, Primitives } from '../primitives/primitives.ts'
import type { PackClass } from '../manifest.ts'
import { decodeAs } from '../shapes.ts'
import { PACK_FOOTER_MAX_BYTES, PACK_HEADER_MAX_BYTES, PACK_MAX_BYTES } from './limits.ts'
import {
  FOOTER_NONCE,
  PACK_MAGIC,
  PackFooter,
  PackHeader,
  ZSTD,
  footerAssociated,
  openRunKey,
  packKeyOf,
  segmentAssociated,
  segmentNonce,
} from './pack.ts'

/** What opens a pack: its own key out of a grant, or the vault's sealing key, for packs of one node. */
export type PackOpener = { readonly packKey: Uint8Array } | VaultOpener

export interface VaultOpener {
  readonly sealing: KeyPair
  /** Whose snapshot is read: a node that names another's packs in its own would have them opened otherwise. */
  readonly node: NodeId
}

/** A pack that is not at hand whole. */
export interface PackRanges {
  /** Length of the whole pack. */
  readonly bytes: number
  read(offset: number, length: number): Promise<Uint8Array>
}

export interface OpenPack {
  readonly header: PackHeader
  /** SHA-256 of the header. */
  readonly headerHash: Uint8Array
  /** Plaintext length of each segment. */
  readonly segments: readonly number[]
  /**
   * The plaintext of a segment.
   * @throws OcmError 'pack-damaged'
   */
  segment(number: number): Promise<Uint8Array>
}

/** The part of a pack that the hub can read too. */
export interface PackHead {
  readonly header: PackHeader
  readonly headerHash: Uint8Array
  /** Where the segments begin. */
  readonly end: number
}

const TAG_BYTES = 16
const FIXED_BYTES = PACK_MAGIC.length + 4

/** @param id named in the error's facts when it is known. */
const damaged = (id: PackId | undefined, cause?: unknown) =>
  new OcmError('pack-damaged', id === undefined ? {} : { pack: id }, { cause })

const u32At = (bytes: Uint8Array, at: number) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at)

/**
 * @param start the pack's first bytes: all of it, or at least 12 + PACK_HEADER_MAX_BYTES of them if it is that long.
 * @throws OcmError 'pack-damaged', 'version-unsupported'
 */
export function readPackHead(p: Primitives, start: Uint8Array, id?: PackId): PackHead {
  const magic = start.subarray(0, PACK_MAGIC.length)
  if (!equal(magic, PACK_MAGIC)) {
    const version = start[PACK_MAGIC.length - 1] ?? 0
    const isOurs = equal(magic.subarray(0, -1), PACK_MAGIC.subarray(0, -1))
    if (isOurs && version > 0x31 && version <= 0x39) {
      throw new OcmError('version-unsupported', { what: 'pack' })
    }
    throw damaged(id)
  }
  const length = start.length < FIXED_BYTES ? 0 : u32At(start, PACK_MAGIC.length)
  const end = FIXED_BYTES + length
  if (length === 0 || length > PACK_HEADER_MAX_BYTES || end > start.length) throw damaged(id)
  const header = start.subarray(FIXED_BYTES, end)
  return {
    header: orDamaged(id, () => decodeAs(PackHeader, header, 'pack header')),
    headerHash: p.sha256(header),
    end,
  }
}

/**
 * @throws OcmError 'pack-damaged' when the pack is of another node; 'seal-broken' when the opener is of another vault, or
 * the header was changed: without a signed hash of the header nobody can tell.
 */
export function packKeyFor(p: Primitives, head: PackHead, opener: PackOpener): Uint8Array {
  if ('packKey' in opener) return opener.packKey
  if (head.header.node !== opener.node) throw damaged(undefined)
  const runKey = openRunKey(p, opener.sealing, head.header)
  return packKeyOf(p, runKey, head.header.salt, head.headerHash)
}

/** The parts of a pack that are at hand. @throws OcmError 'pack-damaged' for bytes that are not. */
export interface PackBytes {
  /** Length of the whole pack. */
  readonly bytes: number
  read(offset: number, length: number): Uint8Array
}

/** A pack that is read without waiting: for workers, who are handed what they need. */
export interface PackAtHand {
  readonly header: PackHeader
  readonly segments: readonly number[]
  /** Where each sealed segment lies in the pack. */
  readonly places: readonly { readonly offset: number; readonly bytes: number }[]
  /** @throws OcmError 'pack-damaged' */
  segment(number: number): Uint8Array
}

interface Expected {
  readonly id?: PackId
  readonly header?: Uint8Array
}

/** What has been read of a pack when its footer is verified. */
interface Opened {
  readonly head: PackHead
  readonly key: Uint8Array
  readonly footer: readonly FooterRow[]
}

type Range = readonly [offset: number, length: number]

/** Asks for the ranges that it needs, one after the other; whoever drives it may wait for them or not. */
function* opening(
  p: Primitives,
  bytes: number,
  opener: PackOpener,
  { id, header: expected }: Expected,
): Generator<Range, Opened, Uint8Array> {
  if (bytes > PACK_MAX_BYTES) throw damaged(id)
  const head = readPackHead(p, yield [0, Math.min(bytes, FIXED_BYTES + PACK_HEADER_MAX_BYTES)], id)
  const { headerHash, end } = head
  if (expected && !equal(expected, headerHash)) throw damaged(id)
  const key = orDamaged(id, () => packKeyFor(p, head, opener))

  const footerBytes = u32At(yield [bytes - 4, 4], 0)
  const areaBytes = bytes - 4 - footerBytes - end
  if (footerBytes > PACK_FOOTER_MAX_BYTES || areaBytes < 1) throw damaged(id)
  const sealed = yield [end + areaBytes, footerBytes]
  const footer = orDamaged(id, () => {
    const associated = footerAssociated(headerHash, areaBytes)
    const plain = p.open(key, FOOTER_NONCE, associated, sealed)
    return readFooter(plain, areaBytes, head.header.class)
  })
  return { head, key, footer }
}

const placeOf = ({ head }: Opened, row: FooterRow): Range => [
  head.end + row.offset,
  row.sealedBytes,
]

function openSegment(
  p: Primitives,
  { head, key }: Opened,
  number: number,
  { plainBytes, flags }: FooterRow,
  sealed: Uint8Array,
): Uint8Array {
  const associated = segmentAssociated(head.headerHash, number, plainBytes, flags)
  const stored = p.open(key, segmentNonce(number), associated, sealed)
  return flags === ZSTD ? p.unzstd(stored, plainBytes) : stored
}

const isInside = (bytes: number, [offset, length]: Range) =>
  offset >= 0 && length >= 0 && offset + length <= bytes

/**
 * Opens a pack and verifies its footer; segments are read and verified when they are asked for.
 * @param expected what a signed header or a manifest says of it. With the whole pack at hand its id is verified too.
 * @throws OcmError 'pack-damaged', 'version-unsupported'
 */
export async function openPack(
  p: Primitives,
  source: Uint8Array | PackRanges,
  opener: PackOpener,
  expected: Expected = {},
): Promise<OpenPack> {
  const { id } = expected
  const bytes = source instanceof Uint8Array ? source.length : source.bytes
  const read = async (range: Range): Promise<Uint8Array> => {
    const [offset, length] = range
    if (!isInside(bytes, range)) throw damaged(id)
    if (source instanceof Uint8Array) return source.subarray(offset, offset + length)
    const part = await source.read(offset, length)
    if (part.length !== length) throw damaged(id)
    return part
  }
  if (source instanceof Uint8Array && id !== undefined && hex(p.sha256(source)) !== id) {
    throw damaged(id)
  }
  const asking = opening(p, bytes, opener, expected)
  let asked = asking.next()
  while (!asked.done) asked = asking.next(await read(asked.value))
  const opened = asked.value

  return {
    header: opened.head.header,
    headerHash: opened.head.headerHash,
    segments: opened.footer.map((row) => row.plainBytes),
    async segment(number) {
      const row = opened.footer[number]
      if (!row) throw damaged(id)
      const sealed = await read(placeOf(opened, row))
      return orDamaged(id, () => openSegment(p, opened, number, row, sealed))
    },
  }
}

/**
 * The same without waiting. The hash of the whole is not taken: whatever is used of the pack has a tag of its own, and
 * so a damaged segment costs what lies in it and nothing else.
 * @throws OcmError 'pack-damaged', 'version-unsupported'
 */
export function openPackAtHand(
  p: Primitives,
  source: PackBytes,
  opener: PackOpener,
  expected: Expected = {},
): PackAtHand {
  const { id } = expected
  const read = (range: Range): Uint8Array => {
    if (!isInside(source.bytes, range)) throw damaged(id)
    return source.read(...range)
  }
  const asking = opening(p, source.bytes, opener, expected)
  let asked = asking.next()
  while (!asked.done) asked = asking.next(read(asked.value))
  const opened = asked.value
  const places = opened.footer.map((row) => {
    const [offset, length] = placeOf(opened, row)
    return { offset, bytes: length }
  })
  return {
    header: opened.head.header,
    segments: opened.footer.map((row) => row.plainBytes),
    places,
    segment(number) {
      const row = opened.footer[number]
      if (!row) throw damaged(id)
      const sealed = read(placeOf(opened, row))
      return orDamaged(id, () => openSegment(p, opened, number, row, sealed))
    },
  }
}

interface FooterRow {
  readonly offset: number
  readonly sealedBytes: number
  readonly plainBytes: number
  readonly flags: number
}

function readFooter(
  plain: Uint8Array,
  areaBytes: number,
  packClass: PackClass,
): readonly FooterRow[] {
  const length = plain.length < 4 ? 0 : u32At(plain, 0)
  if (4 + length > plain.length) throw new OcmError('malformed', { what: 'pack footer' })
  const rows = decodeAs(PackFooter, plain.subarray(4, 4 + length), 'pack footer')
  let offset = 0
  const footer = rows.map(([sealedBytes, plainBytes, flags]) => {
    const row = { offset, sealedBytes, plainBytes, flags }
    offset += sealedBytes
    return row
  })
  const lengthsFit = footer.every(({ sealedBytes, plainBytes, flags }) =>
    flags === ZSTD ? sealedBytes < plainBytes + TAG_BYTES : sealedBytes === plainBytes + TAG_BYTES,
  )
  // Beside text that others chose, the length of a compressed secret would tell about it.
  const formFits = packClass !== 'secret' || footer.every(({ flags }) => flags !== ZSTD)
  const rest = plain.subarray(4 + length)
  if (offset !== areaBytes || !lengthsFit || !formFits || rest.some((byte) => byte !== 0)) {
    throw new OcmError('malformed', { what: 'pack footer' })
  }
  return footer
}

/** What does not open or decode inside a pack means that the pack is damaged. */
function orDamaged<T>(id: PackId | undefined, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof OcmError && cause.code === 'version-unsupported') throw cause
    if (cause instanceof OcmError) throw damaged(id, cause)
    throw cause
  }
}
