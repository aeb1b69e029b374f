/** Gets a pack, whole when much of it is wanted, and the wanted segments of it otherwise. */
import {
  type ManifestRoot,
  OcmError,
  PACK_HEADER_MAX_BYTES,
  PACK_MAX_BYTES,
  type PackAtHand,
  type PackId,
  type PackOpener,
  type Primitives,
  equal,
  openPackAtHand,
  packKeyFor,
  readPackHead,
} from '@ocm/protocol'
import type { PackOrder } from './orders.ts'
import { bytesOf } from './parts.ts'
import type { Strand } from './weave.ts'

/**
 * Bytes of a stored pack, as protocol's FetchRange. @param into memory that may be used for them.
 * @throws OcmError 'pack-missing' for one that is not there; whatever else it throws ends the work.
 */
export type FetchPart = (
  pack: PackId,
  offset: number,
  length: number,
  into?: Uint8Array,
) => Promise<Uint8Array>

type Known = ManifestRoot['packs'][number]
type Parts = PackOrder['parts']

/** Up to this a pack is fetched at one go. */
const SMALL_BYTES = 1024 * 1024
/** Plaintext is up to four times what is stored; below this share ranges are less to fetch. */
const SHARE = 1 / 2
const HEAD_BYTES = 12 + PACK_HEADER_MAX_BYTES
/** Nearly every footer is shorter. */
const TAIL_BYTES = 16 * 1024
/** What lies between two ranges and is fetched along, because a question costs as much. */
const GAP_BYTES = 64 * 1024

/**
 * @throws OcmError 'pack-damaged', 'pack-missing', 'version-unsupported', 'seal-broken', and what `fetch` throws
 */
export async function fetchPack(
  p: Primitives,
  fetch: FetchPart,
  known: Known,
  opener: PackOpener,
  { pack, wanted, segments, order }: Strand,
  roomFor: (bytes: number) => SharedArrayBuffer | undefined,
): Promise<PackOrder> {
  const { bytes } = known
  if (bytes > PACK_MAX_BYTES) throw new OcmError('pack-damaged', { pack })
  const read = async (offset: number, length: number) => {
    const room = roomFor(length)
    const into = room && new Uint8Array(room, 0, length)
    const part = await fetch(pack, offset, length, into)
    if (part.length !== length) throw new OcmError('pack-damaged', { pack })
    // What goes to a thread takes the buffer behind it along.
    const isOwn = part.buffer === room || part.buffer.byteLength === length
    return { offset, bytes: isOwn ? part : part.slice() }
  }
  const isWhole = bytes <= SMALL_BYTES || wanted >= bytes * SHARE
  const parts: Parts = isWhole
    ? [await read(0, bytes)]
    : await readSome(p, read, { pack, known, opener, segments })
  const head = readPackHead(p, (parts[0] as Parts[number]).bytes, pack)
  if (!equal(head.headerHash, known.header)) throw new OcmError('pack-damaged', { pack })
  return {
    kind: 'pack',
    pack,
    class: known.class,
    bytes,
    parts,
    key: packKeyFor(p, head, opener).slice(),
    header: known.header.slice(),
    ...order(),
  }
}

interface Wanted {
  readonly pack: PackId
  readonly known: Known
  readonly opener: PackOpener
  readonly segments: ReadonlySet<number>
}

async function readSome(
  p: Primitives,
  read: (offset: number, length: number) => Promise<Parts[number]>,
  { pack, known, opener, segments }: Wanted,
): Promise<Parts> {
  const { bytes } = known
  const parts = [await read(0, HEAD_BYTES), await read(bytes - TAIL_BYTES, TAIL_BYTES)]
  const tail = (parts[1] as Parts[number]).bytes
  const footerBytes = new DataView(tail.buffer, tail.byteOffset).getUint32(TAIL_BYTES - 4)
  if (footerBytes + 4 > bytes - HEAD_BYTES) throw new OcmError('pack-damaged', { pack })
  if (footerBytes + 4 > TAIL_BYTES) {
    parts[1] = await read(bytes - footerBytes - 4, footerBytes + 4)
  }
  const opened = openPackAtHand(p, bytesOf(pack, bytes, parts), opener, {
    id: pack,
    header: known.header,
  })
  for (const [offset, end] of rangesOf(opened, segments)) {
    parts.push(await read(offset, end - offset))
  }
  return parts
}

/** Of the sealed segments, those close together in one. */
function rangesOf(pack: PackAtHand, segments: ReadonlySet<number>): readonly [number, number][] {
  const ranges: [number, number][] = []
  for (const number of [...segments].toSorted((a, b) => a - b)) {
    const place = pack.places[number]
    // Whoever reads it finds out.
    if (!place) continue
    const end = place.offset + place.bytes
    const last = ranges.at(-1)
    if (last && place.offset - last[1] <= GAP_BYTES) last[1] = end
    else ranges.push([place.offset, end])
  }
  return ranges
}
