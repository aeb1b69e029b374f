/**
 * Where the extents of the last snapshot are stored, so that they need not be stored again. It holds no keys. The file
 * carries a checksum: if it is lost or damaged, everything is stored anew, and nothing else happens.
 *
 * What a run has stored but not yet committed stands in a log beside it, one checked record for each pack the hub has
 * acknowledged, so that a run that is cut is not in vain.
 */
import { open, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import {
  Bytes,
  Count,
  Hash,
  Id,
  Millis,
  OcmError,
  PackClass,
  type Primitives,
  Strict,
  concat,
  decodeAs,
  equal,
  toCbor,
  utf8,
} from '@ocm/protocol'
import { readDurable, removeDurable, writeDurable } from './durable.ts'
import { ExtentTable } from './extent-table.ts'

export const IndexedPack = Strict({
  id: Hash,
  bytes: Count,
  class: PackClass,
  /** SHA-256 of the pack's header. */
  header: Bytes(32),
  /** Of all extents in it. */
  plainBytes: Count,
  /** By the node's clock. */
  storedAt: Millis,
})
export type IndexedPack = Static<typeof IndexedPack>

/** Nothing but what an index holds of a pack. */
export const indexedPack = (pack: IndexedPack): IndexedPack => ({
  id: pack.id,
  bytes: pack.bytes,
  class: pack.class,
  header: pack.header,
  plainBytes: pack.plainBytes,
  storedAt: pack.storedAt,
})

/** Another vault, epoch, node or id key begins a new index. */
export const IndexOwner = Strict({
  vault: Id,
  epoch: Count,
  node: Id,
  /** Tells id keys apart without giving any away. */
  keys: Bytes(8),
})
export type IndexOwner = Static<typeof IndexOwner>

/** The numbers of packs in `extents` are positions in `packs`. */
export interface ExtentIndex {
  readonly packs: readonly IndexedPack[]
  readonly extents: ExtentTable
}

/** A pack is not referred to for ever: what nobody reads for years would be lost unnoticed. */
const REFER_DAYS = 60
const SPREAD_DAYS = 30
const DAY_MS = 86_400_000

/**
 * Whether a pack is old enough to be stored again: after 60 to 90 days, which of them depending on its name, so that
 * they do not all come due at once.
 */
export function isDue(pack: IndexedPack, now: number): boolean {
  const spread = Number.parseInt(pack.id.slice(0, 4), 16) % SPREAD_DAYS
  const age = now - pack.storedAt
  return age > (REFER_DAYS + spread) * DAY_MS || age < -DAY_MS
}

export class IndexFile {
  readonly #p: Primitives
  readonly #path: string
  readonly #logPath: string
  readonly #owner: IndexOwner
  #isLogThere = false
  /** Records are appended one after the other, whole. */
  #appending: Promise<unknown> = Promise.resolve()

  constructor(p: Primitives, stateDir: string, owner: IndexOwner) {
    this.#p = p
    this.#path = join(stateDir, 'index')
    this.#logPath = join(stateDir, 'index-log')
    this.#owner = owner
  }

  /** What may be referred to: the last snapshot's extents and what was acknowledged since. */
  async load(): Promise<ExtentIndex> {
    const committed = await readDurable(this.#path)
    const index = committed && this.#decode(committed)
    const logged = await this.#loadLog()
    return index && logged.length === 0 ? index : merge([...(index ? [index] : []), ...logged])
  }

  /** To be called when the hub holds the pack. Answers when it is on disk. */
  acknowledged(pack: IndexedPack, extents: ExtentTable): Promise<void> {
    const record = this.encode({ packs: [pack], extents })
    const append = () => this.#append(record)
    const appended = this.#appending.then(append, append)
    this.#appending = appended
    return appended
  }

  async #append(record: Uint8Array): Promise<void> {
    if (!this.#isLogThere) {
      // Its name has to be durable too; what is appended to it then needs no more than its own fsync.
      if (!(await readDurable(this.#logPath))) await writeDurable(this.#logPath, new Uint8Array(0))
      this.#isLogThere = true
    }
    const handle = await open(this.#logPath, 'a', 0o600)
    try {
      await handle.writeFile(concat(u32(record.length), record))
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  /** @param encoded what the snapshot just committed refers to */
  async replace(encoded: Uint8Array): Promise<void> {
    await writeDurable(this.#path, encoded)
    await removeDurable(this.#logPath)
    this.#isLogThere = false
  }

  async #loadLog(): Promise<readonly ExtentIndex[]> {
    const log = await readDurable(this.#logPath)
    if (!log) return []
    const found: ExtentIndex[] = []
    let at = 0
    while (at + 4 <= log.length) {
      const end = at + 4 + u32At(log, at)
      const one = end > log.length ? undefined : this.#decode(log.subarray(at + 4, end))
      if (!one) break
      found.push(one)
      at = end
    }
    // Behind a record that was cut nothing could be read again.
    if (at < log.length) await truncate(this.#logPath, at)
    return found
  }

  /** As it lies in the file. */
  encode(index: ExtentIndex): Uint8Array {
    const head = toCbor({ v: 3, owner: this.#owner, packs: [...index.packs] } satisfies Head)
    const body = [u32(head.length), head, index.extents.bytes]
    const sum = this.#p.sha256Parts()
    for (const part of body) sum.update(part)
    return concat(MAGIC, sum.digest(), ...body)
  }

  /** @returns undefined for anything but an intact index of this owner. */
  #decode(bytes: Uint8Array): ExtentIndex | undefined {
    const body = bytes.subarray(BODY_AT)
    const isIntact =
      body.length >= 4 &&
      equal(bytes.subarray(0, MAGIC.length), MAGIC) &&
      equal(bytes.subarray(MAGIC.length, BODY_AT), this.#p.sha256(body))
    if (!isIntact) return undefined
    const head = headOf(body.subarray(4, 4 + u32At(body, 0)))
    if (!head || !equal(toCbor(head.owner), toCbor(this.#owner))) return undefined
    const extents = ExtentTable.fromBytes(body.subarray(4 + u32At(body, 0)), head.packs.length)
    return extents && { packs: head.packs, extents }
  }
}

const MAGIC = utf8('OCMINDX3')
const BODY_AT = MAGIC.length + 32

const Head = Strict({ v: Type.Literal(3), owner: IndexOwner, packs: Type.Array(IndexedPack) })
type Head = Static<typeof Head>

function headOf(bytes: Uint8Array): Head | undefined {
  try {
    return decodeAs(Head, bytes, 'index')
  } catch (error) {
    // An index of another version is worth as much as none.
    if (error instanceof OcmError && error.code === 'malformed') return undefined
    throw error
  }
}

function merge(indexes: readonly ExtentIndex[]): ExtentIndex {
  const packs: IndexedPack[] = []
  const extents = new ExtentTable(indexes.reduce((sum, index) => sum + index.extents.size, 0))
  for (const index of indexes) {
    const first = packs.length
    packs.push(...index.packs)
    extents.addAll(index.extents, (pack) => first + pack)
  }
  return { packs, extents }
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

const u32At = (bytes: Uint8Array, at: number) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at)
