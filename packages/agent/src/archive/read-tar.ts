/**
 * A strict reader of tar archives. It knows files, directories and symbolic links of the POSIX format and refuses
 * everything else, at the first doubt and whole. It decides nothing about names: see `names.ts`.
 */
import type { Extended } from './extended.ts'
import { EXTENDED_MAX_BYTES, readExtended } from './extended.ts'
import { BLOCK, type Header, isZero, readHeader } from './header.ts'
import { refused, tooLarge } from './refused.ts'

export interface TarEntry {
  /** From 1, in the order of the archive. */
  readonly number: number
  readonly kind: 'file' | 'directory' | 'link'
  readonly path: string
  readonly size: number
  readonly mode: number
  /** Seconds. */
  readonly modifiedAt: number
  /** Of a link. */
  readonly target: string
  /** The names in it were said to be bytes. */
  readonly binary: boolean
}

export interface TarLimits {
  readonly entries: number
  readonly fileBytes: number
  readonly totalBytes: number
}

/** Handed everything in order; what it throws ends the reading. */
export interface TarVisitor {
  entry(entry: TarEntry): void | Promise<void>
  /** A part of the content of the entry before. */
  content(bytes: Uint8Array): void | Promise<void>
  /** All of that content was there. */
  end(entry: TarEntry): void | Promise<void>
}

const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '5': 'directory',
  '2': 'link',
}

/** @throws OcmError 'archive-refused', 'archive-too-large', 'archive-unreadable', and what the visitor throws */
export async function readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits,
  visitor: TarVisitor,
): Promise<void> {
  const blocks = new Blocks(source)
  try {
    await readEntries(blocks, limits, visitor)
  } finally {
    await blocks.close()
  }
}

async function readEntries(blocks: Blocks, limits: TarLimits, visitor: TarVisitor): Promise<void> {
  let number = 0
  let total = 0
  let extended: Extended | undefined
  for (;;) {
    const block = blocks.atHand(BLOCK) ?? (await blocks.take(BLOCK))
    if (isZero(block)) break
    number += 1
    if (number > 2 * limits.entries) throw tooLarge('entries', limits.entries)
    const header = readHeader(block, number)
    if (header.type === 'x') {
      if (extended) throw refused('two extended headers stand for one entry', number)
      if (header.size > EXTENDED_MAX_BYTES) throw tooLarge('bytes of a header', EXTENDED_MAX_BYTES)
      extended = readExtended(await blocks.padded(header.size, number), number)
      continue
    }
    const entry = entryOf(header, extended, number)
    extended = undefined
    total += entry.size
    if (entry.size > limits.fileBytes) throw tooLarge('bytes in one file', limits.fileBytes)
    if (total > limits.totalBytes) throw tooLarge('bytes', limits.totalBytes)
    const begun = visitor.entry(entry)
    if (begun) await begun
    if (entry.size > 0) {
      await blocks.each(entry.size, (bytes) => visitor.content(bytes))
      await blocks.padding(entry.size, number)
    }
    const ended = visitor.end(entry)
    if (ended) await ended
  }
  if (extended) throw refused('an extended header stands for no entry', number)
  if (!isZero(await blocks.take(BLOCK))) throw refused('there is something behind its end')
  await blocks.nothingElse()
}

function entryOf(header: Header, extended: Extended | undefined, number: number): TarEntry {
  const kind = KINDS[header.type]
  if (kind === undefined)
    throw refused(`an entry is ${WHAT[header.type] ?? 'of no known kind'}`, number)
  const size = extended?.size ?? header.size
  // Readers do not agree on which of two sizes counts.
  if (size !== header.size) throw refused('an entry has two sizes', number)
  if (kind !== 'file' && size !== 0) throw refused('what is no file has content', number)
  const target = extended?.target ?? header.target
  if ((kind === 'link') !== (target !== ''))
    throw refused('a link has no target or a file one', number)
  return {
    number,
    kind,
    path: extended?.path ?? header.path,
    size,
    mode: header.mode,
    modifiedAt: header.modifiedAt,
    target,
    binary: extended?.binary ?? false,
  }
}

const WHAT: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a pipe',
  g: 'a global header',
  L: 'a name in the GNU format',
  K: 'a name in the GNU format',
  S: 'a sparse file',
}

/** Bytes of a stream in the amounts that are asked for. */
class Blocks {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Whoever yields the bytes lets go of its file. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  /** @returns undefined at the end */
  async #more(): Promise<Uint8Array | undefined> {
    while (this.#held.length === 0) {
      const { value, done } = await this.#source.next()
      if (done === true) return undefined
      this.#held = value
    }
    return this.#held
  }

  async each(size: number, use: (bytes: Uint8Array) => void | Promise<void>): Promise<void> {
    for (let left = size; left > 0;) {
      const held = await this.#more()
      if (!held) throw refused('it ends in the middle')
      const part = held.subarray(0, Math.min(left, held.length))
      this.#held = held.subarray(part.length)
      left -= part.length
      const used = use(part)
      if (used) await used
    }
  }

  /** What needs no waiting; undefined when less than that is here. */
  atHand(size: number): Uint8Array | undefined {
    if (this.#held.length < size) return undefined
    const part = this.#held.subarray(0, size)
    this.#held = this.#held.subarray(size)
    return part
  }

  async take(size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size)
    let at = 0
    await this.each(size, (part) => {
      bytes.set(part, at)
      at += part.length
    })
    return bytes
  }

  async padded(size: number, entry: number): Promise<Uint8Array> {
    const bytes = await this.take(size)
    await this.padding(size, entry)
    return bytes
  }

  async padding(size: number, entry: number): Promise<void> {
    const rest = (BLOCK - (size % BLOCK)) % BLOCK
    if (!isZero(await this.take(rest))) throw refused('there is something between entries', entry)
  }

  /** Zeros up to the end, as tapes had them. */
  async nothingElse(): Promise<void> {
    for (let held = await this.#more(); held; held = await this.#more()) {
      if (!isZero(held)) throw refused('there is something behind its end')
      this.#held = new Uint8Array(0)
    }
  }
}
