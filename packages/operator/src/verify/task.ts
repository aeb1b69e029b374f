/** What a thread is told of one pack, and what it answers. Numbers in typed arrays: a pack holds parts of many files. */
import type { PackClass, PackId, VaultOpener } from '@ocm/protocol'

export const HASH_BYTES = 32
/** Of each part: segment, offset and length in it, and where in the content it belongs. */
export const ROW = 4

/**
 * How the parts of one content that lie in a pack are looked at. `whole`: all of it is here; hashed and compared.
 * `pieces`: of a database; the hash of each piece is answered. `part`: of a file in several packs; its bytes are answered,
 * because a hash goes from the beginning to the end.
 */
export const WHOLE = 0
export const PIECES = 1
export const PART = 2

export interface PackTask {
  readonly pack: PackId
  /** What a signed snapshot says of it: length, class, and the SHA-256 of its header. */
  readonly bytes: number
  readonly class: PackClass
  readonly header: Uint8Array
  readonly opener: VaultOpener
  readonly uses: PackUses
}

export interface PackUses {
  /** Numbers of the contents, see `Reading`. */
  readonly contents: Uint32Array
  readonly how: Uint8Array
  /** SHA-256 of each content; read of `whole` ones. */
  readonly hashes: Uint8Array
  /** Bytes of each content's pieces, 0 for a file. */
  readonly pieces: Uint32Array
  /** First row of each content in `rows`, and the end of the last. */
  readonly starts: Uint32Array
  readonly rows: Float64Array
}

/** Bytes of a content from `at` on; or the hashes of its pieces, the first of them that at `at`. */
export interface Portion {
  readonly content: number
  readonly at: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface PackVerdict {
  readonly pack: PackId
  readonly segments: number
  readonly plainBytes: number
  /** Nothing of the pack could be opened, or the hub does not have it. */
  readonly unreadable: false | 'damaged' | 'missing'
  /** Segments whose tag or length is wrong. */
  readonly damaged: readonly number[]
  /** Contents of which something here is damaged or missing. */
  readonly broken: readonly number[]
  /** `whole` contents that were put together right and are not what the manifest says. */
  readonly different: readonly number[]
}
