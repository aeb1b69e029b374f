/**
 * What the coordinator asks of a writer of files, and what it is answered: plain values that a worker can be handed.
 * Bytes in them have buffers of their own, because a view takes all of the buffer behind it along.
 */
import type { PackClass, PackId, WireError } from '@ocm/protocol'

/** A name to make something at: below the directory `tops[top]`, never through a link. */
export interface Spot {
  readonly top: number
  readonly path: string
}

export interface FileSpot extends Spot {
  /** Number that the coordinator knows it by. */
  readonly file: number
  readonly size: number
  readonly isDatabase: boolean
  /** As it is to be in the end; see `draftMode`. */
  readonly mode: number
  readonly modifiedAt: number
}

/** Empty files, and files that lie in more than one pack: these are made before their parts are written. */
export interface CreateOrder {
  readonly kind: 'create'
  readonly files: readonly FileSpot[]
}

export interface PackOrder {
  readonly kind: 'pack'
  readonly pack: PackId
  readonly class: PackClass
  /** Length of the whole pack. */
  readonly bytes: number
  /** What of it is at hand. */
  readonly parts: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  readonly key: Uint8Array
  /** SHA-256 of its header. */
  readonly header: Uint8Array
  readonly files: readonly (FileSpot & {
    /** All of it is in this pack: it is made, verified and finished at once. */
    readonly isWhole: boolean
  })[]
  /** SHA-256 of each file's content, one behind the other. */
  readonly hashes: Uint8Array
  /** Where the pieces of each file begin in `pieces`, and where the last ones end. */
  readonly starts: Uint32Array
  /** Rows of four: segment, offset in it, length, offset in the file. */
  readonly pieces: Float64Array
}

/**
 * Files that lie ready elsewhere on the same filesystem and have not changed since they were looked at: taken over by
 * their names. They are not linked: what is changed here would change there.
 */
export interface AdoptOrder {
  readonly kind: 'adopt'
  readonly files: readonly (FileSpot & {
    readonly from: Spot
    readonly inode: bigint
    readonly changedAt: bigint
  })[]
}

/** Reads a file that came in parts, and finishes it. */
export interface CheckOrder {
  readonly kind: 'check'
  readonly file: FileSpot
  readonly sha256: Uint8Array
}

/** What is made when all files are written: links last, so that nothing is ever made through one. */
export interface FinishOrder {
  readonly kind: 'finish'
  readonly remove: readonly Spot[]
  readonly directories: readonly Spot[]
  readonly links: readonly (Spot & {
    readonly target: Uint8Array
    readonly modifiedAt: number
  })[]
}

/** Gives what is there its permissions and times, after whatever was changed or removed since it was written. */
export interface SealOrder {
  readonly kind: 'seal'
  /** Whether each is to be made durable by itself. */
  readonly sync: boolean
  readonly files: readonly FileSpot[]
  /** Deepest first. */
  readonly directories: readonly (Spot & { readonly mode: number; readonly modifiedAt: number })[]
}

export type WriteOrder = AdoptOrder | CreateOrder | PackOrder | CheckOrder | FinishOrder | SealOrder

export interface Written {
  /**
   * Numbers of files whose bytes are not what they should be, and of those that were not there to be taken over.
   * Nothing of these is left, if they were whole.
   */
  readonly damaged: readonly number[]
  /**
   * Of each file that was sealed: inode and time of its last change of any kind, in nanoseconds; zeros for one that is
   * not any more as it was written.
   */
  readonly seen?: BigInt64Array
}

/** Anything else that went wrong, in a form that crosses threads. */
export type Trouble =
  | { readonly ocm: WireError }
  | { readonly message: string; readonly code?: string; readonly errno?: number }

export const ROW = 4
export const HASH_BYTES = 32
