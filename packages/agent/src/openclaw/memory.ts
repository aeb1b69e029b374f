/**
 * What was found in which content, kept from one capture to the next. Contents are known by their hashes, so that what
 * has not changed is neither opened nor read again.
 *
 * Bytes: a magic, the context and a checksum of 32 bytes each, the count of clean contents (4 bytes), each of them in
 * 17 bytes, then everything else as JSON. Only this file reads or writes them.
 */
import { createHash } from 'node:crypto'

const MAGIC = Buffer.from('OCM found 1\n')
const CONTEXT_AT = MAGIC.length
const SUM_AT = CONTEXT_AT + 32
const COUNT_AT = SUM_AT + 32
const CLEAN_AT = COUNT_AT + 4
/** A letter for how it was looked at, and half of the hash: nobody can make another content of the same. */
const CLEAN_BYTES = 17

export class Memory {
  readonly #recall: Uint8Array | undefined
  readonly #context: Buffer
  readonly #knownClean: ReadonlySet<string>
  readonly #known: ReadonlyMap<string, unknown>
  readonly #clean = new Set<string>()
  readonly #kept = new Map<string, unknown>()
  #isNew = false

  /** @param context everything that findings depend on beside contents; with another one nothing is remembered. */
  constructor(recall: Uint8Array | undefined, context: string) {
    this.#context = createHash('sha256').update(context).digest()
    const read = recall === undefined ? undefined : readMemory(Buffer.from(recall), this.#context)
    this.#recall = read === undefined ? undefined : recall
    this.#knownClean = read?.clean ?? new Set()
    this.#known = read?.known ?? new Map()
  }

  /** @param as one letter: how a content was looked at when nothing was found in it. */
  isClean(as: string, sha256: Uint8Array): boolean {
    const key = as + halfOf(sha256)
    const known = this.#knownClean.has(key)
    if (known) this.#clean.add(key)
    return known || this.#clean.has(key)
  }

  clean(as: string, sha256: Uint8Array): void {
    const key = as + halfOf(sha256)
    this.#isNew ||= !this.#knownClean.has(key)
    this.#clean.add(key)
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
      this.#clean.size === this.#knownClean.size
    if (isSame && this.#recall !== undefined) return this.#recall
    const rest = Buffer.concat([
      Buffer.alloc(CLEAN_AT - COUNT_AT),
      Buffer.from([...this.#clean].join(''), 'latin1'),
      Buffer.from(JSON.stringify([...this.#kept])),
    ])
    rest.writeUInt32BE(this.#clean.size, 0)
    return Buffer.concat([MAGIC, this.#context, sumOf(rest), rest])
  }
}

/** A value in the form in which it is recalled: what JSON makes of it. */
export const asRecalled = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const halfOf = (sha256: Uint8Array): string =>
  Buffer.from(sha256.buffer, sha256.byteOffset, 16).toString('latin1')

const sumOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** Undefined for anything that was not written here, in this context, and kept whole. */
function readMemory(bytes: Buffer, context: Buffer) {
  if (bytes.length < CLEAN_AT || !bytes.subarray(0, CONTEXT_AT).equals(MAGIC)) return undefined
  if (!bytes.subarray(CONTEXT_AT, SUM_AT).equals(context)) return undefined
  if (!bytes.subarray(SUM_AT, COUNT_AT).equals(sumOf(bytes.subarray(COUNT_AT)))) return undefined
  const end = CLEAN_AT + bytes.readUInt32BE(COUNT_AT) * CLEAN_BYTES
  const letters = bytes.toString('latin1', CLEAN_AT, end)
  const clean = new Set<string>()
  for (let at = 0; at < letters.length; at += CLEAN_BYTES) {
    clean.add(letters.slice(at, at + CLEAN_BYTES))
  }
  const known = new Map(JSON.parse(bytes.toString('utf8', end)) as [string, unknown][])
  return { clean, known }
}
