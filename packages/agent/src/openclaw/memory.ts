/**
 * What was found in which content, kept from one capture to the next. Contents are known by their hashes, so that what
 * has not changed is neither opened nor read again.
 *
 * Bytes: a magic, the context and a checksum of 32 bytes each, the count of clean contents (4 bytes), each of them in
 * 16 bytes, then everything else as JSON. Only this file reads or writes them.
 */
import { createHash } from 'node:crypto'
import { ContentSet, KEY_BYTES } from './content-set.ts'

const MAGIC = Buffer.from('OCM found 1\n')
const CONTEXT_AT = MAGIC.length
const SUM_AT = CONTEXT_AT + 32
const COUNT_AT = SUM_AT + 32
const CLEAN_AT = COUNT_AT + 4

/** How a content was looked at when nothing was found in it; another way may find something. */
export type Look = 'prose' | 'env' | 'derived' | 'paths' | 'guess'
const LETTERS: Readonly<Record<Look, number>> = { prose: 1, env: 2, derived: 3, paths: 4, guess: 5 }

export class Memory {
  readonly #recall: Uint8Array | undefined
  readonly #context: Buffer
  readonly #clean: ContentSet
  readonly #knownClean: number
  readonly #known: ReadonlyMap<string, unknown>
  readonly #kept = new Map<string, unknown>()
  #isNew = false

  /** @param context everything that findings depend on beside contents; with another one nothing is remembered. */
  constructor(recall: Uint8Array | undefined, context: string) {
    this.#context = createHash('sha256').update(context).digest()
    const read =
      recall === undefined
        ? undefined
        : readMemory(Buffer.from(recall.buffer, recall.byteOffset, recall.length), this.#context)
    this.#recall = read === undefined ? undefined : recall
    this.#clean = read?.clean ?? new ContentSet()
    this.#knownClean = this.#clean.size
    this.#known = read?.known ?? new Map()
  }

  isClean(look: Look, sha256: Uint8Array): boolean {
    return this.#clean.mark(LETTERS[look], sha256)
  }

  clean(look: Look, sha256: Uint8Array): void {
    this.#clean.add(LETTERS[look], sha256)
  }

  /** What was kept by this name, which says of which contents it is. It is JSON. */
  recall(name: string): unknown {
    const value = this.#kept.get(name) ?? this.#known.get(name)
    if (value !== undefined) this.#kept.set(name, value)
    return value
  }

  /** @returns the value as it is recalled next time. */
  keep<T>(name: string, value: T): T {
    const kept = asRecalled(value)
    this.#kept.set(name, kept)
    this.#isNew = true
    return kept
  }

  /** What was asked for or found this time; the very bytes of last time when that is the same. */
  toBytes(): Uint8Array {
    const isSame =
      !this.#isNew &&
      this.#kept.size === this.#known.size &&
      this.#clean.size === this.#knownClean &&
      this.#clean.markedSize === this.#knownClean
    if (isSame && this.#recall !== undefined) return this.#recall
    const count = Buffer.alloc(CLEAN_AT - COUNT_AT)
    count.writeUInt32BE(this.#clean.markedSize)
    const kept = Buffer.from(JSON.stringify([...this.#kept]))
    const rest = Buffer.concat([count, this.#clean.marked(), kept])
    return Buffer.concat([MAGIC, this.#context, sumOf(rest), rest])
  }
}

/** A value in the form in which it is recalled: what JSON makes of it. */
export const asRecalled = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const sumOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** Undefined for anything that was not written here, in this context, and kept whole. */
function readMemory(bytes: Buffer, context: Buffer) {
  if (bytes.length < CLEAN_AT || !bytes.subarray(0, CONTEXT_AT).equals(MAGIC)) return undefined
  if (!bytes.subarray(CONTEXT_AT, SUM_AT).equals(context)) return undefined
  if (!bytes.subarray(SUM_AT, COUNT_AT).equals(sumOf(bytes.subarray(COUNT_AT)))) return undefined
  const end = CLEAN_AT + bytes.readUInt32BE(COUNT_AT) * KEY_BYTES
  const clean = new ContentSet(bytes.subarray(CLEAN_AT, end))
  const known = new Map(JSON.parse(bytes.toString('utf8', end)) as [string, unknown][])
  return { clean, known }
}
