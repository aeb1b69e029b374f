/** Bytes that somebody wants to find again, or nothing: with a checksum, and bound to one vault, epoch, node and id key. */
import { join } from 'node:path'
import { type Primitives, concat, equal, toCbor, utf8 } from '@ocm/protocol'
import { readDurable, writeDurable } from './durable.ts'
import type { IndexOwner } from './extent-index.ts'

const MAGIC = utf8('OCMKEPT1')
const HASH_AT = MAGIC.length
const CONTENT_AT = HASH_AT + 32

export class KeptFile {
  readonly #p: Primitives
  readonly #path: string
  readonly #owner: Uint8Array

  constructor(p: Primitives, stateDir: string, name: string, owner: IndexOwner) {
    this.#p = p
    this.#path = join(stateDir, name)
    this.#owner = toCbor(owner)
  }

  /** @returns undefined when there is none, or it is damaged or of another owner. */
  async load(): Promise<Uint8Array | undefined> {
    const bytes = await readDurable(this.#path)
    if (!bytes || !equal(bytes.subarray(0, HASH_AT), MAGIC)) return undefined
    const content = bytes.subarray(CONTENT_AT)
    const isIntact = equal(bytes.subarray(HASH_AT, CONTENT_AT), this.#hashOf(content))
    return isIntact ? content : undefined
  }

  /** Answers when it is on disk. */
  async replace(content: Uint8Array): Promise<void> {
    await writeDurable(this.#path, concat(MAGIC, this.#hashOf(content), content))
  }

  #hashOf(content: Uint8Array): Uint8Array {
    return this.#p.sha256(this.#owner, content)
  }
}
