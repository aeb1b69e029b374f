/**
 * Writes files out of packs, synchronously: the work of one worker. What is made counts only when its content has the
 * hash that the manifest says; what has not is removed and told.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  openSync,
  readSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import {
  OcmError,
  type PackAtHand,
  type Primitives,
  contentHash,
  equal,
  free,
  openPackAtHand,
} from '@ocm/protocol'
import { damageOf } from './damage.ts'
import { OpenDirectories, hasCode } from './directories.ts'
import {
  type AdoptOrder,
  type CheckOrder,
  type CreateOrder,
  type FileSpot,
  type FinishOrder,
  HASH_BYTES,
  type PackOrder,
  ROW,
  type SealOrder,
  type WriteOrder,
  type Written,
} from './orders.ts'
import { bytesOf } from './parts.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/** setuid, setgid and sticky do not travel. */
const PERMISSIONS = 0o777
/** Until what is staged is looked at and changed, its owner may read and write it. */
const DRAFT_FILE = 0o600

/** Blocks of zeros are left as holes; in a file smaller than this there are none. */
const HOLE = 16 * 1024
const HOLES_FROM = 64 * 1024
const ZEROS = Buffer.alloc(HOLE)

const READ_BYTES = 1024 * 1024
/** Plaintext kept at hand: the pieces of a pack come in the order of its segments. */
const KEPT_SEGMENTS = 3

const NONE: Written = { damaged: [] }

export class FileWriter {
  readonly #p: Primitives
  readonly #directories: OpenDirectories
  #buffer: Buffer | undefined

  /** @param tops see `OpenDirectories`. */
  constructor(p: Primitives, tops: readonly string[]) {
    this.#p = p
    this.#directories = new OpenDirectories(tops)
  }

  /** @throws what node:fs throws, and OcmError 'version-unsupported' */
  carryOut(order: WriteOrder): Written {
    switch (order.kind) {
      case 'adopt':
        return this.#adopt(order)
      case 'create':
        return this.#create(order)
      case 'pack':
        return this.#pack(order)
      case 'check':
        return this.#check(order)
      case 'finish':
        return this.#finish(order)
      case 'seal':
        return this.#seal(order)
    }
  }

  close(): void {
    this.#directories.close()
  }

  #adopt({ files }: AdoptOrder): Written {
    const damaged: number[] = []
    for (const file of files) if (!this.#takeOver(file)) damaged.push(file.file)
    return { damaged }
  }

  #takeOver(file: AdoptOrder['files'][number]): boolean {
    // What its owner may not read and write would have to be opened up for the changes that may come.
    if (draftMode(file.mode) !== (file.mode & PERMISSIONS)) return false
    try {
      const from = this.#directories.place(file.from)
      const stat = lstatSync(from, { bigint: true, throwIfNoEntry: false })
      if (!stat?.isFile() || stat.ino !== file.inode || stat.ctimeNs !== file.changedAt)
        return false
      if ((Number(stat.mode) & 0o7777) !== (file.mode & PERMISSIONS)) return false
      const to = this.#directories.place(file)
      // A rename would replace what is there.
      if (lstatSync(to, { throwIfNoEntry: false })) return false
      renameSync(from, to)
      return true
    } catch (error) {
      // A directory that its owner may not write in keeps what it has.
      if (hasCode(error, 'EACCES')) return false
      throw error
    }
  }

  #create({ files }: CreateOrder): Written {
    for (const file of files) {
      const handle = this.#make(file)
      try {
        if (file.size === 0) finishFile(handle, file)
        else ftruncateSync(handle, file.size)
      } finally {
        closeSync(handle)
      }
    }
    return NONE
  }

  #make(file: FileSpot): number {
    return openSync(
      this.#directories.place(file),
      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
      DRAFT_FILE,
    )
  }

  #pack(order: PackOrder): Written {
    const damaged: number[] = []
    let pack: PackAtHand
    try {
      pack = openPackAtHand(
        this.#p,
        bytesOf(order.pack, order.bytes, order.parts),
        { packKey: order.key },
        {
          id: order.pack,
          header: order.header,
        },
      )
      if (pack.header.class !== order.class) throw damagedPack(order)
    } catch (error) {
      if (!damageOf(error)) throw error
      return { damaged: order.files.map(({ file }) => file) }
    }
    const { read, end } = readerOf(pack)
    for (const [i, file] of order.files.entries()) {
      try {
        const pieces = order.pieces.subarray(order.starts[i], order.starts[i + 1])
        const hash = order.hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
        if (file.isWhole) this.#whole(file, hash, pieces, read)
        else this.#parts(file, pieces, read)
      } catch (error) {
        if (!damageOf(error)) throw error
        damaged.push(file.file)
      }
    }
    end()
    return { damaged }
  }

  #whole(file: FileSpot, sha256: Uint8Array, pieces: Float64Array, read: Read): void {
    const hash = contentHash(this.#p, file.isDatabase ? 'database' : 'file', file.size)
    // What fits one piece is known to be right before anything is made.
    const only = pieces.length === ROW ? read(pieces, 0) : undefined
    if (only || pieces.length === 0) {
      if (only) hash.update(only)
      if (!equal(hash.digest(), sha256)) throw new OcmError('pack-damaged')
    }
    const handle = this.#make(file)
    let isRight = false
    try {
      if (only) writeAt(handle, only, 0, file.size)
      else if (pieces.length > 0) {
        for (let row = 0; row < pieces.length; row += ROW) {
          const part = read(pieces, row)
          hash.update(part)
          writeAt(handle, part, pieces[row + 3] as number, file.size)
        }
        if (!equal(hash.digest(), sha256)) throw new OcmError('pack-damaged')
      }
      if (file.size >= HOLES_FROM) ftruncateSync(handle, file.size)
      finishFile(handle, file)
      isRight = true
    } finally {
      closeSync(handle)
      if (!isRight) unlinkSync(this.#directories.place(file))
    }
  }

  #parts(file: FileSpot, pieces: Float64Array, read: Read): void {
    const handle = openSync(this.#directories.place(file), O_WRONLY | O_NOFOLLOW)
    try {
      // Nobody else has a name for what was made here.
      if (fstatSync(handle).nlink !== 1) throw new OcmError('malformed', { what: 'stage' })
      for (let row = 0; row < pieces.length; row += ROW) {
        writeAt(handle, read(pieces, row), pieces[row + 3] as number, file.size)
      }
    } finally {
      closeSync(handle)
    }
  }

  #check({ file, sha256 }: CheckOrder): Written {
    const hash = contentHash(this.#p, file.isDatabase ? 'database' : 'file', file.size)
    const buffer = (this.#buffer ??= Buffer.allocUnsafe(READ_BYTES))
    const handle = openSync(this.#directories.place(file), O_RDONLY | O_NOFOLLOW)
    try {
      for (let at = 0; ;) {
        const length = readSync(handle, buffer, 0, READ_BYTES, at)
        if (length === 0) break
        hash.update(buffer.subarray(0, length))
        at += length
      }
      if (!equal(hash.digest(), sha256)) return { damaged: [file.file] }
      finishFile(handle, file)
    } finally {
      closeSync(handle)
    }
    return NONE
  }

  #finish({ remove, directories, links }: FinishOrder): Written {
    for (const spot of remove) unlinkSync(this.#directories.place(spot))
    for (const spot of directories) this.#directories.make(spot)
    for (const link of links) {
      const place = this.#directories.place(link)
      symlinkSync(Buffer.from(link.target), place)
      lutimesSync(place, link.modifiedAt / 1000, link.modifiedAt / 1000)
    }
    return NONE
  }

  #seal({ files, directories, sync }: SealOrder): Written {
    const seen = new BigInt64Array(files.length * 2)
    for (const [i, file] of files.entries()) {
      const place = this.#directories.place(file)
      const stat = lstatSync(place, { bigint: true, throwIfNoEntry: false })
      // What does not travel is gone by now, and what is no file any more is not ours to change.
      if (!stat?.isFile()) continue
      const isAsWritten =
        stat.size === BigInt(file.size) && isSameTime(stat.mtimeNs, file.modifiedAt)
      const isDone = isAsWritten && (Number(stat.mode) & 0o7777) === (file.mode & PERMISSIONS)
      const sealed = isDone ? stat : this.#sealOne(place, file, sync)
      if (isAsWritten) seen.set([sealed.ino, sealed.ctimeNs], i * 2)
    }
    for (const directory of directories) {
      const handle = this.#directories.handle(directory)
      futimesSync(handle, directory.modifiedAt / 1000, directory.modifiedAt / 1000)
      fchmodSync(handle, directory.mode & PERMISSIONS)
      if (sync) fsyncSync(handle)
    }
    return { damaged: [], seen }
  }

  #sealOne(place: string | Buffer, { mode, modifiedAt }: FileSpot, sync: boolean): BigIntStats {
    const handle = openSync(place, O_RDONLY | O_NOFOLLOW)
    try {
      futimesSync(handle, modifiedAt / 1000, modifiedAt / 1000)
      fchmodSync(handle, mode & PERMISSIONS)
      if (sync) fsyncSync(handle)
      return fstatSync(handle, { bigint: true })
    } finally {
      closeSync(handle)
    }
  }
}

/** Its own permissions if its owner keeps the right to change it, and its time. */
function finishFile(handle: number, { mode, modifiedAt }: FileSpot): void {
  const wanted = draftMode(mode)
  if (wanted !== DRAFT_FILE) fchmodSync(handle, wanted)
  futimesSync(handle, modifiedAt / 1000, modifiedAt / 1000)
}

/** What a file gets while it is staged; the directories above it are for their owner alone. */
const draftMode = (mode: number): number =>
  (mode & DRAFT_FILE) === DRAFT_FILE ? mode & PERMISSIONS : DRAFT_FILE

/** A time is handed to the disk as a number of seconds, which is exact to a microsecond. */
const isSameTime = (ns: bigint, ms: number): boolean =>
  Math.abs(Number(ns / 1000n) - Math.round(ms * 1000)) <= 1

type Read = (pieces: Float64Array, row: number) => Uint8Array

/** @throws OcmError 'pack-damaged' */
function readerOf(pack: PackAtHand): { readonly read: Read; end(): void } {
  const kept = new Map<number, Uint8Array>()
  /** Nobody keeps a part of it: each is written before the next is read. */
  const drop = (number: number) => {
    const segment = kept.get(number)
    kept.delete(number)
    if (segment) free(segment)
  }
  const segmentOf = (number: number): Uint8Array => {
    const there = kept.get(number)
    if (there) return there
    const segment = pack.segment(number)
    kept.set(number, segment)
    const [oldest] = kept.keys()
    if (kept.size > KEPT_SEGMENTS && oldest !== undefined) drop(oldest)
    return segment
  }
  return {
    read(pieces, row) {
      const segment = segmentOf(pieces[row] as number)
      const offset = pieces[row + 1] as number
      const length = pieces[row + 2] as number
      if (length === 0 || offset + length > segment.length) throw new OcmError('pack-damaged')
      return segment.subarray(offset, offset + length)
    },
    end() {
      for (const number of kept.keys()) drop(number)
    },
  }
}

const damagedPack = ({ pack }: PackOrder) => new OcmError('pack-damaged', { pack })

/** @param size of the whole file. */
function writeAt(handle: number, bytes: Uint8Array, position: number, size: number): void {
  if (size < HOLES_FROM) return writeAll(handle, bytes, position)
  let from = 0
  for (let at = blockAfter(position) - position; at + HOLE <= bytes.length; at += HOLE) {
    if (!isZero(bytes, at)) continue
    if (at > from) writeAll(handle, bytes.subarray(from, at), position + from)
    from = at + HOLE
  }
  if (from < bytes.length) writeAll(handle, bytes.subarray(from), position + from)
}

const blockAfter = (position: number) => Math.ceil(position / HOLE) * HOLE

const isZero = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0 && bytes[at + HOLE - 1] === 0 && ZEROS.compare(bytes, at, at + HOLE) === 0

function writeAll(handle: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += writeSync(handle, bytes, at, bytes.length - at, position + at)
  }
}
