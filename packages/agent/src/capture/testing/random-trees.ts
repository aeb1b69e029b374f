/** Trees that nobody would make by hand, the same for the same seed, and what lies on a disk, told apart from any reader. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(of: number): boolean {
    return this.next() < of
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4))
    let state = this.below(4_294_967_295) | 1
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      words[i] = state
    }
    return Buffer.from(words.buffer, 0, length)
  }
}

/** Around the lengths at which something changes: extents, pieces of databases, segments. */
const EDGES = [0, 1, 4096, 16_384, 65_536, 262_144, 1_048_576].flatMap((n) =>
  n === 0 ? [0] : [n - 1, n, n + 1],
)
/** Others than its owner cannot read these; root can. */
const isRoot = process.getuid?.() === 0

export class RandomTree {
  readonly #dice: Dice
  readonly #top: Buffer
  /** A copy that lay somewhere before: what deduplication is for. */
  #known: Buffer = Buffer.alloc(0)

  /** @param top a directory that is there. */
  constructor(dice: Dice, top: string) {
    this.#dice = dice
    this.#top = Buffer.from(top)
  }

  /** Some new things in it. */
  grow(): void {
    const folders = [this.#top, ...this.#inside().filter((path) => lstatSync(path).isDirectory())]
    for (let count = 1 + this.#dice.below(12); count > 0; count--) {
      const path = this.#fresh(this.#dice.one(folders))
      if (path === undefined) continue
      const kind = this.#dice.next()
      if (kind < 0.22) {
        mkdirSync(path)
        folders.push(path)
      } else if (kind < 0.34) symlinkSync(this.#target(), path)
      else this.#write(path)
    }
    if (this.#dice.chance(0.1)) this.#deepen()
    if (this.#dice.chance(0.02)) this.#pipe()
    this.#modes()
  }

  /** Some of what is there in another way: what a cache of what was read before has to notice. */
  change(): void {
    for (let count = 1 + this.#dice.below(6); count > 0; count--) {
      const there = this.#inside()
      if (there.length === 0) return
      const path = this.#dice.one(there)
      const stats = lstatSync(path)
      const act = this.#dice.below(7)
      if (act === 0) rmSync(path, { recursive: true })
      else if (act === 1) this.#move(path)
      else if (stats.isFile()) this.#rewrite(path, stats.size, stats.mtimeMs / 1000, act)
    }
    this.#modes()
  }

  #rewrite(path: Buffer, size: number, modifiedAt: number, act: number): void {
    chmodSync(path, 0o600)
    if (act === 2) appendFileSync(path, this.#dice.bytes(this.#dice.below(3000)))
    else if (act === 3) truncateSync(path, this.#dice.below(size + 1))
    else if (act === 4) utimesSync(path, this.#time(), this.#time())
    else if (size > 0) {
      // Another content of the same size, some bytes or all of it; sometimes with the old time put back.
      const file = openSync(path, 'r+')
      const at = this.#dice.below(size)
      const length = this.#dice.chance(0.5) ? 1 : size - at
      writeSync(file, this.#dice.bytes(length), 0, length, at)
      closeSync(file)
      if (act === 5) utimesSync(path, modifiedAt, modifiedAt)
    }
  }

  #move(path: Buffer): void {
    const folder = path.subarray(0, path.lastIndexOf(0x2f))
    const to = this.#fresh(folder)
    if (to) renameSync(path, to)
  }

  #write(path: Buffer): void {
    const content = this.#content()
    if (this.#dice.chance(0.06)) {
      const file = openSync(path, 'w')
      const hole = this.#dice.below(2_500_000)
      writeSync(file, content, 0, content.length, hole)
      ftruncateSync(file, hole + content.length + this.#dice.below(100_000))
      closeSync(file)
    } else writeFileSync(path, content)
    if (this.#dice.chance(0.7)) utimesSync(path, this.#time(), this.#time())
  }

  #content(): Buffer {
    const size = this.#size()
    const kind = this.#dice.next()
    if (kind < 0.15 && this.#known.length > 0) {
      return Buffer.concat([this.#dice.bytes(this.#dice.below(40)), this.#known])
    }
    const noise = kind < 0.5
    const content = noise
      ? this.#dice.bytes(size)
      : Buffer.alloc(size, kind < 0.9 ? `line ${this.#dice.below(1e6)}\n` : 0)
    if (this.#dice.chance(0.2)) this.#known = content
    return content
  }

  #size(): number {
    const kind = this.#dice.next()
    if (kind < 0.12) return this.#dice.one(EDGES)
    if (kind < 0.6) return this.#dice.below(300)
    if (kind < 0.95) return this.#dice.below(20_000)
    return this.#dice.below(kind < 0.99 ? 400_000 : 4_000_000)
  }

  /** A name that is free in a folder; none when the path would become too long. */
  #fresh(folder: Buffer): Buffer | undefined {
    const path = Buffer.concat([folder, Buffer.from('/'), this.#name()])
    const free = path.length < 3500 && lstatSync(path, { throwIfNoEntry: false }) === undefined
    return free && !isReserved(path.subarray(this.#top.length + 1)) ? path : undefined
  }

  #name(): Buffer {
    const kind = this.#dice.next()
    if (kind < 0.35) return Buffer.from(`file-${this.#dice.below(1e6)}.txt`)
    if (kind < 0.45) return Buffer.from(`.env${this.#dice.below(1e6)}`)
    if (kind < 0.6)
      return Buffer.from(
        this.#dice.one(['größe', 'é', 'e\u0301', '\u{1f980}', ' ', '\\', '"', '-rf', '...']),
      )
    const length = kind < 0.63 ? 255 : 1 + this.#dice.below(12)
    const bytes = this.#dice.bytes(length)
    for (const [at, byte] of bytes.entries()) if (byte === 0 || byte === 0x2f) bytes[at] = 0x80
    return ['.', '..'].includes(bytes.toString('latin1')) ? Buffer.from('dot') : bytes
  }

  #target(): Buffer {
    const kind = this.#dice.next()
    if (kind < 0.3) return Buffer.from('/nowhere/at/all')
    if (kind < 0.6) return Buffer.from(this.#dice.one(['.', '..', '../..', 'file', '/etc/passwd']))
    const bytes = this.#dice.bytes(1 + this.#dice.below(200))
    for (const [at, byte] of bytes.entries()) if (byte === 0) bytes[at] = 1
    return bytes
  }

  #deepen(): void {
    let path: Buffer | undefined = this.#top
    for (let depth = 8 + this.#dice.below(60); depth > 0; depth--) {
      const next = this.#fresh(path)
      if (next === undefined) break
      mkdirSync(next)
      path = next
    }
    const last = this.#fresh(path)
    if (last) this.#write(last)
  }

  #pipe(): void {
    const path = `${this.#top}/pipe-${this.#dice.below(1e9)}`
    execFileSync('mkfifo', [path])
  }

  #modes(): void {
    for (const path of this.#inside().toReversed()) {
      const stats = lstatSync(path)
      if (stats.isSymbolicLink() || !this.#dice.chance(0.3)) continue
      const least = isRoot ? 0 : stats.isDirectory() ? 0o700 : 0o600
      chmodSync(path, this.#dice.below(0o10000) | least)
    }
  }

  #time(): number {
    return this.#dice.below(2_000_000_000_000) / 1000
  }

  /** Every path in it, a directory before what is in it. */
  #inside(): Buffer[] {
    return pathsIn(this.#top).filter((path) => !isReserved(path.subarray(this.#top.length + 1)))
  }
}

/** What `SmallNode` has there for its own ends: the agent's state, the database, what is left out, a root. */
function isReserved(inside: Buffer): boolean {
  const text = inside.toString('latin1')
  const [first = ''] = text.split('/')
  return ['ocm', 'cache'].includes(first) || first.startsWith('main.db') || text === 'ws'
}

function pathsIn(top: Buffer): Buffer[] {
  const found: Buffer[] = []
  const open = [top]
  for (let folder = open.pop(); folder; folder = open.pop()) {
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      const path = Buffer.concat([folder, Buffer.from('/'), name])
      found.push(path)
      if (lstatSync(path).isDirectory()) open.push(path)
    }
  }
  return found
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

export interface Seen {
  /** Kind, mode, and of files and links size and hash. */
  readonly what: string
  /** Microseconds since 1970. */
  readonly modifiedAt: number
}

/** Everything below a directory by its path in latin1; pipes and the like are missing. */
export function onDiskNow(top: string): Map<string, Seen> {
  const seen = new Map<string, Seen>()
  const start = Buffer.from(top)
  for (const path of [start, ...pathsIn(start)]) {
    const stats = lstatSync(path, { bigint: true })
    const mode = (stats.mode & 0o7777n).toString(8)
    const modifiedAt = Number(stats.mtimeNs / 1000n)
    const see = (what: string) =>
      seen.set(path.subarray(start.length + 1).toString('latin1'), { what, modifiedAt })
    if (stats.isDirectory()) see(`directory ${mode}`)
    else if (stats.isSymbolicLink()) {
      const target = readlinkSync(path, { encoding: 'buffer' })
      see(`link ${mode} ${target.length} ${sha256(target)}`)
    } else if (stats.isFile()) see(`file ${mode} ${stats.size} ${sha256(readFileSync(path))}`)
  }
  return seen
}
