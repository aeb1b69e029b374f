/**
 * A pack: what is stored, named by the SHA-256 of its bytes. docs/format.md has the layout.
 *
 *   "OCMPACK1" | u32 header length | header | sealed segments | sealed footer | u32 footer length
 *
 * Numbers are big-endian. The header is readable by the hub; where a segment ends is known only from the footer.
 * The pack's key depends on every byte of the header, and each segment is bound to its number, length and flags, so
 * nothing can be swapped, cut or moved to another pack.
 */
import { type Static, Type } from 'typebox'
import { concat, hex, utf8 } from '../bytes.ts'
import { toCbor } from '../cbor.ts'
import { OcmError } from '../errors.ts'
import { free } from '../free.ts'
import { Id, type NodeId, type PackId, type VaultId, newId } from '../ids.ts'
import { PackClass } from '../manifest.ts'
import type { KeyPair, Primitives } from '../primitives/primitives.ts'
import { openSealed, sealTo } from '../sealing.ts'
import { Bytes, Count, Strict } from '../shapes.ts'
import { PACK_MAX_SEGMENTS, PACK_TARGET_BYTES, SEGMENT_MAX_BYTES } from './limits.ts'

export const PACK_MAGIC = utf8('OCMPACK1')

export const PackHeader = Strict({
  v: Type.Literal(1),
  /** 1: HKDF-SHA256, ChaCha20-Poly1305, Zstandard. */
  suite: Type.Literal(1),
  vault: Id,
  epoch: Count,
  node: Id,
  run: Id,
  class: PackClass,
  salt: Bytes(32),
  /** The run's key, sealed to the vault. */
  runKey: Bytes(),
})
export type PackHeader = Static<typeof PackHeader>

/** Of each segment in order: stored length, plaintext length, flags. Together they tile the segments' area. */
export const PackFooter = Type.Array(
  Type.Tuple([
    Type.Integer({ minimum: 17 }),
    Type.Integer({ minimum: 1, maximum: SEGMENT_MAX_BYTES }),
    Type.Integer({ minimum: 0, maximum: 1 }),
  ]),
  { minItems: 1, maxItems: PACK_MAX_SEGMENTS },
)
export type PackFooter = Static<typeof PackFooter>

/** The one flag: the segment was compressed with Zstandard before it was sealed. */
export const ZSTD = 1

/** One capture, from the first pack to the commit. The key is never written to a disk. */
export interface Run {
  readonly id: string
  readonly vault: VaultId
  readonly epoch: number
  readonly node: NodeId
  readonly key: Uint8Array
  readonly sealedKey: Uint8Array
}

const runContext = (of: Pick<PackHeader, 'vault' | 'epoch' | 'node' | 'run'>) => ({
  vault: of.vault,
  epoch: of.epoch,
  node: of.node,
  run: of.run,
})

/** @param of.sealing the vault's public sealing key of that epoch. */
export function startRun(
  p: Primitives,
  of: {
    readonly vault: VaultId
    readonly epoch: number
    readonly sealing: Uint8Array
    readonly node: NodeId
  },
): Run {
  const { vault, epoch, node } = of
  const id = newId(p)
  const key = p.random(32)
  const context = runContext({ vault, epoch, node, run: id })
  return {
    id,
    vault,
    epoch,
    node,
    key,
    sealedKey: sealTo(p, [of.sealing], 'run-key', context, key),
  }
}

/** @throws OcmError 'seal-broken' or 'malformed' */
export const openRunKey = (p: Primitives, sealing: KeyPair, header: PackHeader): Uint8Array =>
  openSealed(p, sealing, 'run-key', runContext(header), header.runKey)

/** @param headerHash SHA-256 of the header's CBOR as stored. */
export const packKeyOf = (
  p: Primitives,
  runKey: Uint8Array,
  salt: Uint8Array,
  headerHash: Uint8Array,
): Uint8Array => p.hkdf(runKey, salt, concat(utf8('ocm/1 pack\0'), headerHash), 32)

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** Every pack has a key of its own, so a segment's number is nonce enough; the footer takes the highest. */
export function segmentNonce(number: number): Uint8Array {
  const nonce = new Uint8Array(12)
  new DataView(nonce.buffer).setUint32(8, number)
  return nonce
}
export const FOOTER_NONCE = segmentNonce(0xffff_ffff)

export const segmentAssociated = (
  headerHash: Uint8Array,
  number: number,
  plainBytes: number,
  flags: number,
): Uint8Array =>
  concat(utf8('ocm/1 segment\0'), headerHash, u32(number), u32(plainBytes), Uint8Array.of(flags))

/** @param areaBytes the length of all sealed segments together: a footer fits no other area. */
export const footerAssociated = (headerHash: Uint8Array, areaBytes: number): Uint8Array =>
  concat(utf8('ocm/1 footer\0'), headerHash, u32(areaBytes))

/**
 * Padmé: rounds a length up so that it tells only O(log log length) bits, at a cost of at most 12 %.
 * (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019.)
 */
export function padme(length: number): number {
  if (length < 2) return length
  const exponent = 31 - Math.clz32(length)
  const kept = 32 - Math.clz32(exponent)
  const step = 2 ** (exponent - kept)
  return step < 2 ? length : Math.ceil(length / step) * step
}

/** A segment as the agent hands it in: compressed already, if that gained anything. */
export interface NewSegment {
  readonly stored: Uint8Array
  readonly plainBytes: number
  readonly zstd: boolean
}

export interface FinishedPack {
  readonly id: PackId
  readonly class: PackClass
  readonly bytes: Uint8Array
  readonly key: Uint8Array
  /** SHA-256 of the header. */
  readonly header: Uint8Array
}

/** Room for a whole pack and what its last segment and footer may add. */
export const PACK_ROOM = PACK_TARGET_BYTES + SEGMENT_MAX_BYTES + 128 * 1024
const SMALL_ROOM = 64 * 1024
const MEDIUM_ROOM = 2 * 1024 * 1024

export class PackWriter {
  readonly class: PackClass
  readonly #p: Primitives
  readonly #headerHash: Uint8Array
  readonly #key: Uint8Array
  /** Head and segments as they will be stored; grows with them. */
  #bytes: Uint8Array
  #length: number
  readonly #footer: PackFooter = []
  #areaBytes = 0

  /** @param room where to write, if it is at hand from an earlier pack; it belongs to the pack from then on. */
  constructor(p: Primitives, run: Run, packClass: PackClass, room?: Uint8Array) {
    const salt = p.random(32)
    const header = toCbor({
      v: 1,
      suite: 1,
      vault: run.vault,
      epoch: run.epoch,
      node: run.node,
      run: run.id,
      class: packClass,
      salt,
      runKey: run.sealedKey,
    } satisfies PackHeader)
    this.class = packClass
    this.#p = p
    this.#bytes = room ?? new Uint8Array(SMALL_ROOM)
    const head = concat(PACK_MAGIC, u32(header.length), header)
    this.#length = head.length
    this.#bytes.set(head)
    this.#headerHash = p.sha256(header)
    this.#key = packKeyOf(p, run.key, salt, this.#headerHash)
  }

  /** The number the next segment will have. */
  get segments(): number {
    return this.#footer.length
  }

  /** True when the pack is large enough to be finished. */
  get isFull(): boolean {
    return this.#areaBytes >= PACK_TARGET_BYTES || this.#footer.length >= PACK_MAX_SEGMENTS
  }

  /** @returns the segment's number. */
  add(segment: NewSegment): number {
    const { stored, plainBytes } = segment
    const flags = segment.zstd ? ZSTD : 0
    const lengthFits = segment.zstd ? stored.length < plainBytes : stored.length === plainBytes
    if (this.isFull || plainBytes < 1 || plainBytes > SEGMENT_MAX_BYTES || !lengthFits) {
      throw new OcmError('internal', { what: 'segment' })
    }
    const number = this.#footer.length
    const associated = segmentAssociated(this.#headerHash, number, plainBytes, flags)
    const sealed = this.#p.seal(this.#key, segmentNonce(number), associated, stored)
    this.#append(sealed)
    this.#footer.push([sealed.length, plainBytes, flags])
    this.#areaBytes += sealed.length
    free(sealed)
    return number
  }

  /** To be called once, with at least one segment added. */
  finish(): FinishedPack {
    const rows = toCbor(this.#footer)
    const plain = new Uint8Array(padme(4 + rows.length))
    plain.set(u32(rows.length))
    plain.set(rows, 4)
    const associated = footerAssociated(this.#headerHash, this.#areaBytes)
    const footer = this.#p.seal(this.#key, FOOTER_NONCE, associated, plain)
    this.#append(footer)
    this.#append(u32(footer.length))
    const bytes = this.#bytes.subarray(0, this.#length)
    return {
      id: hex(this.#p.sha256(bytes)),
      class: this.class,
      bytes,
      key: this.#key,
      header: this.#headerHash,
    }
  }

  #append(part: Uint8Array): void {
    const needed = this.#length + part.length
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(
        needed > MEDIUM_ROOM ? Math.max(needed, PACK_ROOM) : MEDIUM_ROOM,
      )
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#bytes.set(part, this.#length)
    this.#length = needed
  }
}
