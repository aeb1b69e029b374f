/** A hub that keeps packs and headers in memory, and refuses what a hub refuses. */
import {
  OcmError,
  type PackClass,
  type PackId,
  type SnapshotHeader,
  type SnapshotId,
  checkFollows,
  hex,
  readPackHead,
  readSnapshot,
  snapshotIdOf,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { CaptureHub } from '../hub.port.ts'

export class MemoryHub implements CaptureHub {
  readonly packs = new Map<PackId, Uint8Array>()
  readonly headers: Uint8Array[] = []
  puts = 0
  bytesUp = 0
  /** Called before a pack is stored, with how many were put before. */
  beforePut: (puts: number) => void = () => undefined
  beforeCommit: () => void = () => undefined
  afterCommit: () => void = () => undefined
  readonly #node: Uint8Array

  /** @param node the node's public key. */
  constructor(node: Uint8Array) {
    this.#node = node
  }

  missing(ids: readonly PackId[]): Promise<PackId[]> {
    return Promise.resolve(ids.filter((id) => !this.packs.has(id)))
  }

  async put(id: PackId, packClass: PackClass, bytes: Uint8Array): Promise<void> {
    await new Promise(setImmediate)
    this.beforePut(this.puts)
    this.puts++
    this.bytesUp += bytes.length
    if (hex(p.sha256(bytes)) !== id || classOf(bytes) !== packClass) {
      throw new OcmError('pack-mismatch')
    }
    this.packs.set(id, bytes.slice())
  }

  async commit(
    _: string,
    statement: Uint8Array,
  ): Promise<{ snapshot: SnapshotId | null; missing: PackId[] }> {
    this.beforeCommit()
    const header = readSnapshot(p, this.#node, statement)
    const newest = this.headers.at(-1)
    checkFollows(header, newest && { id: snapshotIdOf(p, newest), seq: this.headers.length })
    const missing = await this.missing(header.packs.map(({ id }) => id))
    if (missing.length > 0) return { snapshot: null, missing }
    this.headers.push(statement)
    this.afterCommit()
    return { snapshot: snapshotIdOf(p, statement), missing }
  }

  head(): Promise<Uint8Array | null> {
    return Promise.resolve(this.headers.at(-1) ?? null)
  }

  progress(): void {}
  log(): void {}

  get newest(): SnapshotHeader {
    return readSnapshot(p, this.#node, this.headers.at(-1) as Uint8Array)
  }
}

export const classOf = (pack: Uint8Array): PackClass => readPackHead(p, pack).header.class
