/**
 * What the last snapshot held of each thing and how that thing looked on the disk then, so that what still looks the same
 * need not be read. It holds names and hashes, like the disk it lies on, and no keys. The file carries a checksum and belongs to one vault,
 * epoch, node and id key: lost, damaged or foreign it counts as empty, and everything is read.
 */
import { isAscii } from 'node:buffer'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import {
  Bytes,
  Count,
  OcmError,
  type PlacedPath,
  type Primitives,
  Section,
  Strict,
  Travel,
  concat,
  decodeAs,
  equal,
  pathFromBytes,
  pathToBytes,
  toCbor,
  utf8,
} from '@ocm/protocol'
import { readDurable, writeDurable } from './durable.ts'
import { IndexOwner, IndexedPack } from './extent-index.ts'
import { REF_WORDS, type Refs } from './refs.ts'

/** In the order of their numbers in the file. */
export const KINDS = ['file', 'directory', 'link', 'database'] as const

/** How a thing looks on the disk: numbers as the file system gives them, times in milliseconds since 1970. */
export interface Look {
  readonly dev: number
  readonly ino: number
  readonly size: number
  readonly mtime: number
  readonly ctime: number
  /** Type and permission bits. */
  readonly mode: number
}

const LOOK_WORDS = 6
/** kind + flags, placement, page, end of the refs; of a directory the first of what lies in it, and how much that is. */
const ENTRY_WORDS = 6
const TRUSTED = 0x100
const UNSTABLE = 0x200
const LISTED = 0x400

const CachedPack = Type.Object(
  { ...IndexedPack.properties, liveBytes: Count },
  { additionalProperties: false },
)
const Placed = Strict({
  section: Section,
  class: Type.Enum(['secret', 'state', 'bulk']),
  travel: Travel,
  persona: Type.Optional(Type.String()),
})
const Page = Strict({
  /** How many entries are on it; 0: something else is. */
  entries: Count,
  bytes: Count,
  sha256: Bytes(32),
  refs: Type.Array(Count),
})
const Database = Strict({
  entry: Count,
  /** How it and what lay beside it looked. */
  looks: Type.String(),
  /** When SQLite's own check last found nothing; 0: not known. */
  checkedAt: Type.Number(),
})
const Head = Strict({
  v: Type.Literal(2),
  owner: IndexOwner,
  packs: Type.Array(CachedPack),
  placements: Type.Array(Placed),
  pages: Type.Array(Page),
  databases: Type.Array(Database),
  /** Of links. */
  targets: Type.Array(Strict({ entry: Count, target: Bytes() })),
  /** Days since 1970 on which a share was last read in spite of looking the same. */
  day: Count,
  count: Count,
  refs: Count,
  names: Count,
})
type Head = Static<typeof Head>

/** What lies in a directory: entries one behind the other. */
export interface Listing {
  readonly first: number
  readonly count: number
}

export type CachedPack = Static<typeof CachedPack>
export type CachedPage = Static<typeof Page>
export type CachedDatabase = Static<typeof Database>
export type CachedPlacement = Static<typeof Placed>

/** One thing of a snapshot, as it is put into a cache. */
export interface CacheEntry {
  readonly root: string
  readonly path: string
  readonly kind: (typeof KINDS)[number]
  readonly look: Look
  readonly placement: number
  /** Position in the pages. */
  readonly page: number
  readonly size: number
  readonly sha256: Uint8Array | undefined
  /** Pack numbers as the run has them, see `positionOf`. */
  readonly refs: Refs
  /** Not changed so recently that a later change could look the same. */
  readonly isTrusted: boolean
  readonly isUnstable: boolean
  /** Of a directory, when all that lies in it is in the cache. */
  readonly listing?: Listing | undefined
}

/** Columns: one value, or a fixed number of them, for each entry. */
export class StatCache {
  readonly packs: readonly CachedPack[]
  readonly placements: readonly CachedPlacement[]
  readonly pages: readonly CachedPage[]
  readonly databases: readonly CachedDatabase[]
  readonly targets: ReadonlyMap<number, Uint8Array>
  readonly day: number
  readonly count: number
  readonly refs: Uint32Array<ArrayBuffer>
  readonly #stats: Float64Array
  readonly #sizes: Float64Array
  readonly #words: Uint32Array
  readonly #hashes: Uint8Array
  readonly #names: readonly string[]
  #numbers: Map<string, number> | undefined
  /** Databases are met among all others, and come first here. */
  readonly #databases: ReadonlyMap<string, number>
  /** Where the next name is likely to be. */
  #likely = 0

  constructor(
    head: Omit<Head, 'v' | 'owner' | 'refs' | 'names'>,
    columns: Columns,
    names: Uint8Array,
  ) {
    this.packs = head.packs
    this.placements = head.placements
    this.pages = head.pages
    this.databases = head.databases
    this.targets = new Map(head.targets.map(({ entry, target }) => [entry, target]))
    this.day = head.day
    this.count = head.count
    this.#stats = columns.stats
    this.refs = columns.refs
    this.#sizes = columns.sizes
    this.#words = columns.words
    this.#hashes = columns.hashes
    this.#names = namesIn(names, head.count)
    this.#databases = new Map(
      head.databases.map(({ entry }) => [this.#names[entry] ?? '', entry] as const),
    )
    // The next name that is asked for is that of the first which is no database.
    this.#likely = head.databases.length
  }

  static empty(): StatCache {
    const lists = { packs: [], placements: [], pages: [], databases: [], targets: [] }
    return new StatCache({ ...lists, day: 0, count: 0 }, columnsOf(0, 0), new Uint8Array(0))
  }

  /** The entry of this name, -1 if there is none. Fastest when asked for in the order in which entries were put in. */
  find(root: string, path: string): number {
    const name = nameOf(root, path)
    if (this.#names[this.#likely] === name) return this.#likely++
    const database = this.#databases.get(name)
    if (database !== undefined) return database
    this.#numbers ??= new Map(this.#names.map((one, number) => [one, number]))
    const found = this.#numbers.get(name) ?? -1
    if (found >= 0) this.#likely = found + 1
    return found
  }

  placeOf(entry: number): PlacedPath {
    const name = this.#names[entry] as string
    const root = name.slice(0, name.indexOf('\t'))
    return { root, path: this.pathOf(entry, root) }
  }
  /** @param root of the entry */
  pathOf(entry: number, root: string): string {
    return (this.#names[entry] as string).slice(root.length + 1)
  }
  /** What lay in a directory, if it is known whole. What is looked up next is likely to come after it. */
  listingOf(entry: number): Listing | undefined {
    if ((this.#word(entry, 0) & LISTED) === 0) return undefined
    const listing = { first: this.#word(entry, 4), count: this.#word(entry, 5) }
    if (listing.count > 0) this.#likely = listing.first + listing.count
    return listing
  }

  kindOf(entry: number): (typeof KINDS)[number] {
    return KINDS[this.#word(entry, 0) & 0xff] as (typeof KINDS)[number]
  }
  isTrusted(entry: number): boolean {
    return (this.#word(entry, 0) & TRUSTED) !== 0
  }
  isUnstable(entry: number): boolean {
    return (this.#word(entry, 0) & UNSTABLE) !== 0
  }
  placementOf(entry: number): number {
    return this.#word(entry, 1)
  }
  pageOf(entry: number): number {
    return this.#word(entry, 2)
  }
  looksLike(entry: number, look: Look): boolean {
    const at = entry * LOOK_WORDS
    const stats = this.#stats
    return (
      stats[at] === look.dev &&
      stats[at + 1] === look.ino &&
      stats[at + 2] === look.size &&
      stats[at + 3] === look.mtime &&
      stats[at + 4] === look.ctime &&
      stats[at + 5] === look.mode
    )
  }
  /** What of its look an entry of a manifest shows. */
  showsLike(entry: number, look: Look): boolean {
    const at = entry * LOOK_WORDS
    return this.#stats[at + 3] === look.mtime && this.#stats[at + 5] === look.mode
  }
  sizeOf(entry: number): number {
    return this.#sizes[entry] as number
  }
  sha256Of(entry: number): Uint8Array {
    return this.#hashes.subarray(entry * 32, entry * 32 + 32)
  }
  refsOf(entry: number): Uint32Array<ArrayBuffer> {
    return this.refsBetween(entry, entry + 1)
  }
  /** Of the entries from `first` on, without `end`. */
  refsBetween(first: number, end: number): Uint32Array<ArrayBuffer> {
    return this.refs.subarray(first === 0 ? 0 : this.#word(first - 1, 3), this.#word(end - 1, 3))
  }

  #word(entry: number, which: number): number {
    return this.#words[entry * ENTRY_WORDS + which] as number
  }
}

interface Columns {
  readonly stats: Float64Array<ArrayBuffer>
  readonly sizes: Float64Array<ArrayBuffer>
  readonly words: Uint32Array<ArrayBuffer>
  readonly refs: Uint32Array<ArrayBuffer>
  readonly hashes: Uint8Array<ArrayBuffer>
}

const columnsOf = (count: number, refs: number): Columns => ({
  stats: new Float64Array(count * LOOK_WORDS),
  sizes: new Float64Array(count),
  words: new Uint32Array(count * ENTRY_WORDS),
  refs: new Uint32Array(refs),
  hashes: new Uint8Array(count * 32),
})

const nameOf = (root: string, path: string) => `${root}\t${path}`

function namesIn(bytes: Uint8Array, count: number): readonly string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (count === 0) return []
  if (isAscii(buffer)) return buffer.toString('latin1', 0, buffer.length - 1).split('\0')
  const names: string[] = []
  for (let at = 0; at < buffer.length;) {
    const end = buffer.indexOf(0, at)
    names.push(pathFromBytes(buffer.subarray(at, end)))
    at = end + 1
  }
  return names
}

export interface CacheContent {
  readonly packs: readonly CachedPack[]
  readonly placements: readonly CachedPlacement[]
  readonly pages: readonly CachedPage[]
  readonly databases: readonly CachedDatabase[]
  readonly targets: readonly { readonly entry: number; readonly target: Uint8Array }[]
  readonly day: number
  /** Of a pack among the packs, by the number that it has in the refs of entries. */
  readonly positionOf: (pack: number) => number
  readonly count: number
  /** Of all refs together. */
  readonly refWords: number
  /** So many as `count`, made one by one: of a large node there are tens of thousands. */
  readonly entries: Iterable<CacheEntry>
}

function columnsOfEntries({ count, refWords, entries, positionOf }: CacheContent) {
  const columns = columnsOf(count, refWords)
  const { stats, sizes, words, refs, hashes } = columns
  const names: string[] = []
  let [n, end] = [0, 0]
  for (const entry of entries) {
    names.push(nameOf(entry.root, entry.path))
    const { look } = entry
    const at = n * LOOK_WORDS
    stats[at] = look.dev
    stats[at + 1] = look.ino
    stats[at + 2] = look.size
    stats[at + 3] = look.mtime
    stats[at + 4] = look.ctime
    stats[at + 5] = look.mode
    sizes[n] = entry.size
    if (entry.sha256) hashes.set(entry.sha256, n * 32)
    const own = entry.refs
    for (let word = 0; word < own.length; word++) {
      const value = own[word] as number
      refs[end++] = word % REF_WORDS === 0 ? positionOf(value) : value
    }
    const { listing } = entry
    const flags =
      (entry.isTrusted ? TRUSTED : 0) | (entry.isUnstable ? UNSTABLE : 0) | (listing ? LISTED : 0)
    const first = n * ENTRY_WORDS
    words[first] = KINDS.indexOf(entry.kind) | flags
    words[first + 1] = entry.placement
    words[first + 2] = entry.page
    words[first + 3] = end
    words[first + 4] = listing?.first ?? 0
    words[first + 5] = listing?.count ?? 0
    n++
  }
  return { columns, names: bytesOfNames(names) }
}

/** Names end with a zero byte, which none of them holds. */
function bytesOfNames(names: readonly string[]): Uint8Array {
  const text = names.map((name) => `${name}\0`).join('')
  return text.isWellFormed() ? Buffer.from(text) : Buffer.concat(names.map(nameBytes))
}
const nameBytes = (name: string) => Buffer.concat([pathToBytes(name), Buffer.from([0])])

const MAGIC = utf8('OCMSTAT1')
const BODY_AT = MAGIC.length + 32

export class StatCacheFile {
  readonly #p: Primitives
  readonly #path: string
  readonly #owner: IndexOwner

  constructor(p: Primitives, stateDir: string, owner: IndexOwner) {
    this.#p = p
    this.#path = join(stateDir, 'stat-cache')
    this.#owner = owner
  }

  async load(): Promise<StatCache> {
    const bytes = await readDurable(this.#path)
    return (bytes && this.#decode(bytes)) ?? StatCache.empty()
  }

  /** Answers when it is on disk. */
  async replace(encoded: Uint8Array): Promise<void> {
    await writeDurable(this.#path, encoded)
  }

  /** As it lies in the file. */
  encode(content: CacheContent): Uint8Array {
    const { count, refWords, packs, placements, pages, databases, targets, day } = content
    const { columns, names } = columnsOfEntries(content)
    const head = toCbor({
      v: 2,
      owner: this.#owner,
      packs: [...packs],
      placements: [...placements],
      pages: [...pages],
      databases: [...databases],
      targets: [...targets],
      day,
      count,
      refs: refWords,
      names: names.length,
    } satisfies Head)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(head.length)
    const { stats, sizes, words, hashes } = columns
    const body = [
      length,
      head,
      ...[stats, sizes, words, columns.refs, hashes].map(
        ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
      ),
      names,
    ]
    const sum = this.#p.sha256Parts()
    for (const part of body) sum.update(part)
    return concat(MAGIC, sum.digest(), ...body)
  }

  /** @returns undefined for anything but an intact cache of this owner. */
  #decode(bytes: Uint8Array): StatCache | undefined {
    const body = bytes.subarray(BODY_AT)
    const isIntact =
      body.length >= 4 &&
      equal(bytes.subarray(0, MAGIC.length), MAGIC) &&
      equal(bytes.subarray(MAGIC.length, BODY_AT), this.#p.sha256(body))
    if (!isIntact) return undefined
    const length = new DataView(body.buffer, body.byteOffset).getUint32(0)
    const head = headOf(body.subarray(4, 4 + length))
    if (!head || !equal(toCbor(head.owner), toCbor(this.#owner))) return undefined
    const columns = columnsOf(head.count, head.refs)
    const { stats, sizes, words, refs, hashes } = columns
    const names = new Uint8Array(head.names)
    let at = 4 + length
    for (const { buffer, byteLength } of [stats, sizes, words, refs, hashes, names]) {
      new Uint8Array(buffer).set(body.subarray(at, at + byteLength))
      at += byteLength
    }
    // Each name ends with a zero byte, or there would be no end to them.
    if (names.length > 0 && names.at(-1) !== 0) return undefined
    return new StatCache(head, columns, names)
  }
}

function headOf(bytes: Uint8Array): Head | undefined {
  try {
    return decodeAs(Head, bytes, 'stat cache')
  } catch (error) {
    // A cache of another version is worth as much as none.
    if (error instanceof OcmError && error.code === 'malformed') return undefined
    throw error
  }
}
