/** Trees made of a seed, and the packs that a node would have stored of them. */
import { randomBytes } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import {
  type ExtentRef,
  type ManifestRoot,
  OcmError,
  type OpenerOf,
  PackWriter,
  contentHash,
  fromHex,
  hex,
  openerByGrants,
  pathFromBytes,
  startRun,
  utf8,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { NewEntry } from '../entries.ts'
import type { PackSource } from '../write-files.ts'

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function numbers(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface Thing extends NewEntry {
  readonly content?: Uint8Array
}

export interface StoredTree {
  readonly things: readonly Thing[]
  readonly packs: Map<string, Uint8Array>
  readonly source: PackSource
}

const MODES = [0o600, 0o644, 0o755, 0o400, 0o444, 0o000, 0o4755, 0o664, 0o200]
const KIB = 1024

export function randomTree(seed: number): StoredTree {
  const next = numbers(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  const names = new Set<string>()
  const directories = ['']
  const things: Thing[] = []

  const freshPath = (): string => {
    for (;;) {
      const length = 1 + below(one([4, 12, 60]))
      const isRaw = next() < 0.2
      const bytes = Uint8Array.from({ length }, () => {
        const byte = isRaw ? 1 + below(255) : one([...utf8('abcdefgh. -_+:"\'$*')])
        return byte === 0x2f ? 0x61 : byte
      })
      const name = pathFromBytes(bytes)
      const above = one(directories)
      const path = above === '' ? name : `${above}/${name}`
      if (name === '.' || name === '..' || names.has(path)) continue
      names.add(path)
      return path
    }
  }
  const sizeOf = () => {
    const kind = next()
    if (kind < 0.15) return 0
    if (kind < 0.75) return below(9000)
    if (kind < 0.97) return below(400 * KIB)
    return below(3 * 1024 * KIB)
  }
  const contentOf = (size: number): Uint8Array => {
    const content = new Uint8Array(size)
    const kind = below(3)
    if (kind === 0) content.set(randomBytes(size))
    if (kind === 1) for (let i = 0; i < size; i++) content[i] = 97 + ((i * 31) % 17)
    if (kind === 2) {
      for (let at = 0; at < size; at += 40_000) {
        if (next() < 0.4) content.set(randomBytes(Math.min(20_000, size - at)), at)
      }
    }
    return content
  }

  const store = new Store(below)
  const count = 5 + below(20)
  const entry = { root: 'state', section: 'gateway', travel: 'always' } as const
  for (let i = 0; i < count; i++) {
    const path = freshPath()
    const common = {
      ...entry,
      path: utf8('x'),
      mode: one(MODES),
      modifiedAt: 1_600_000_000_000 + below(1e9) + below(1000) / 1000,
    }
    const kind = next()
    if (kind < 0.2) {
      things.push({ path, entry: { ...common, kind: 'directory', size: 0 } })
      directories.push(path)
    } else if (kind < 0.3) {
      const target = utf8(one(['/etc/passwd', '../x', 'a\u00e9', '..']))
      things.push({ path, entry: { ...common, kind: 'link', size: target.length, target } })
    } else {
      const isDatabase = next() < 0.15
      const size = isDatabase ? (1 + below(40)) * 4 * KIB : sizeOf()
      const again = things.find((thing) => thing.content !== undefined && next() < 0.03)
      const content = again?.content ?? contentOf(size)
      const hash = contentHash(p, isDatabase ? 'database' : 'file', content.length)
      hash.update(content)
      things.push({
        path,
        content,
        entry: {
          ...common,
          kind: isDatabase ? 'database' : 'file',
          size: content.length,
          sha256: hash.digest(),
          extents: store.add(content, isDatabase),
        },
      })
    }
  }
  const { packs, source } = store.finish()
  return { things, packs, source }
}

/** Stores as a capture does: extents into segments, segments into packs, each content once. */
class Store {
  readonly #below: (limit: number) => number
  readonly #run = startRun(p, {
    vault: '11'.repeat(16),
    epoch: 1,
    sealing: p.x25519Pair().public,
    node: '22'.repeat(16),
  })
  readonly #packs = new Map<string, Uint8Array>()
  readonly #keys: (readonly [Uint8Array, Uint8Array])[] = []
  readonly #listed: ManifestRoot['packs'][number][] = []
  readonly #waiting: { readonly bytes: Uint8Array; readonly refs: ExtentRef[] }[] = []
  readonly #known = new Map<string, { readonly refs: ExtentRef[] }>()
  readonly #entries: {
    readonly from: readonly { refs: ExtentRef[] }[]
    readonly to: ExtentRef[]
  }[] = []
  #writer = new PackWriter(p, this.#run, 'state')

  constructor(below: (limit: number) => number) {
    this.#below = below
  }

  /** @returns what is filled in by `finish`. */
  add(content: Uint8Array, isDatabase: boolean): ExtentRef[] {
    const from: { refs: ExtentRef[] }[] = []
    for (let at = 0; at < content.length;) {
      const length = isDatabase
        ? 16 * KIB
        : content.length <= 256 * KIB
          ? content.length
          : 16 * KIB + this.#below(200 * KIB)
      const bytes = content.subarray(at, at + length)
      at += bytes.length
      const key = hex(p.sha256(bytes))
      const known = this.#known.get(key) ?? { bytes, refs: [] }
      if (!this.#known.has(key)) {
        this.#known.set(key, known)
        this.#waiting.push(known as { bytes: Uint8Array; refs: ExtentRef[] })
      }
      from.push(known)
    }
    const to: ExtentRef[] = []
    this.#entries.push({ from, to })
    return to
  }

  finish() {
    let segment: { readonly bytes: Uint8Array; readonly refs: ExtentRef[] }[] = []
    let held = 0
    for (const extent of this.#waiting) {
      segment.push(extent)
      held += extent.bytes.length
      if (held < 300 * KIB) continue
      this.#close(segment)
      segment = []
      held = 0
    }
    this.#close(segment)
    this.#closePack()
    for (const { from, to } of this.#entries) to.push(...from.flatMap(({ refs }) => refs))
    const openerOf: OpenerOf = openerByGrants(this.#keys)
    const packs = this.#packs
    const source: PackSource = {
      packs: this.#listed,
      openerOf,
      fetch: async (pack, offset, length) => {
        const bytes = packs.get(pack)
        if (!bytes) throw new OcmError('pack-missing', { pack })
        return bytes.slice(offset, offset + length)
      },
    }
    return { packs, source }
  }

  readonly #open: ExtentRef[] = []

  #close(extents: readonly { readonly bytes: Uint8Array; readonly refs: ExtentRef[] }[]): void {
    if (extents.length === 0) return
    const plain = Buffer.concat(extents.map(({ bytes }) => bytes))
    const packed = zstdCompressSync(plain)
    const zstd = packed.length < plain.length
    const number = this.#writer.add({
      stored: zstd ? packed : plain,
      plainBytes: plain.length,
      zstd,
    })
    let offset = 0
    for (const { bytes, refs } of extents) {
      const ref: ExtentRef = [new Uint8Array(32), number, offset, bytes.length]
      refs.push(ref)
      this.#open.push(ref)
      offset += bytes.length
    }
    if (this.#below(3) === 0) this.#closePack()
  }

  #closePack(): void {
    if (this.#writer.segments === 0) return
    const pack = this.#writer.finish()
    const id = fromHex(pack.id)
    this.#packs.set(pack.id, pack.bytes)
    this.#keys.push([id, pack.key])
    this.#listed.push({ id, bytes: pack.bytes.length, class: pack.class, header: pack.header })
    for (const ref of this.#open.splice(0)) ref[0].set(id)
    this.#writer = new PackWriter(p, this.#run, 'state')
  }
}
