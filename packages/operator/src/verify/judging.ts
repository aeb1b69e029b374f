/** Puts together what the packs yielded: contents that no single pack can vouch for are hashed here, in order. */
import {
  type Hasher,
  type Primitives,
  contentHash,
  databaseExtentBytes,
  equal,
} from '@ocm/protocol'
import type { Contents } from './contents.ts'
import { HASH_BYTES, type Portion } from './task.ts'

/** Bytes that may wait for the ones before them. Packs are read in the order of contents, so few do. */
const WAITING_BYTES = 64 * 1024 * 1024

interface InOrder {
  readonly hash: Hasher
  readonly waiting: Map<number, Uint8Array>
  next: number
}

export class Judging {
  /** Contents that came in an order in which they could not be hashed: to be read by themselves. */
  readonly postponed = new Set<number>()
  readonly #p: Primitives
  readonly #contents: Contents
  readonly #files = new Map<number, InOrder>()
  readonly #pieces = new Map<number, { readonly hashes: Uint8Array; filled: number }>()
  #waiting = 0

  constructor(p: Primitives, contents: Contents) {
    this.#p = p
    this.#contents = contents
  }

  take({ content, at, bytes }: Portion, isPieces: boolean): void {
    if (isPieces) {
      this.#takePieces(content, at, bytes)
      return
    }
    if (this.postponed.has(content)) return
    const file = this.#file(content)
    if (at !== file.next) {
      file.waiting.set(at, bytes)
      this.#waiting += bytes.length
      if (this.#waiting > WAITING_BYTES) this.#postpone()
      return
    }
    let part: Uint8Array | undefined = bytes
    while (part) {
      file.hash.update(part)
      file.next += part.length
      part = file.waiting.get(file.next)
      if (part) this.#waiting -= part.length
      file.waiting.delete(file.next)
    }
  }

  /** Nothing more is to be said of it, because it is known to be damaged. */
  drop(content: number): void {
    const file = this.#files.get(content)
    for (const part of file?.waiting.values() ?? []) this.#waiting -= part.length
    this.#files.delete(content)
    this.#pieces.delete(content)
  }

  /** @returns whether what came of it is what the manifest says. */
  isRight(content: number): boolean {
    const { size, sha256: right } = this.#contents.whole(content)
    const pieces = this.#pieces.get(content)
    if (pieces) {
      const { hashes, filled } = pieces
      return filled === hashes.length && equal(this.#p.sha256(hashes), right)
    }
    const file = this.#file(content)
    return file.next === size && equal(file.hash.digest(), right)
  }

  #takePieces(content: number, at: number, bytes: Uint8Array): void {
    const { size } = this.#contents.whole(content)
    const there = this.#pieces.get(content) ?? {
      hashes: new Uint8Array(Math.ceil(size / databaseExtentBytes(size)) * HASH_BYTES),
      filled: 0,
    }
    this.#pieces.set(content, there)
    there.hashes.set(bytes, at)
    there.filled += bytes.length
  }

  #file(content: number): InOrder {
    const there = this.#files.get(content)
    if (there) return there
    const { kind, size } = this.#contents.whole(content)
    const made: InOrder = { hash: contentHash(this.#p, kind, size), waiting: new Map(), next: 0 }
    this.#files.set(content, made)
    return made
  }

  /** Whoever makes the others wait most is read by itself later. */
  #postpone(): void {
    let most: { readonly content: number; readonly bytes: number } | undefined
    for (const [content, { waiting }] of this.#files) {
      const bytes = [...waiting.values()].reduce((sum, part) => sum + part.length, 0)
      if (bytes > (most?.bytes ?? 0)) most = { content, bytes }
    }
    if (most === undefined) return
    this.postponed.add(most.content)
    this.drop(most.content)
  }
}
