/**
 * What there is to read of some snapshots, turned round: which contents each pack is needed for. Contents that several
 * snapshots share are read once.
 */
import {
  type ManifestRoot,
  OcmError,
  type PackId,
  type VaultOpener,
  eachEntry,
  equal,
  hex,
} from '@ocm/protocol'
import { piecesOf } from './check-pack.ts'
import { Contents, type Part } from './contents.ts'
import { HASH_BYTES, type PackUses, PART, PIECES, ROW, WHOLE } from './task.ts'

export interface KnownPack {
  readonly known: ManifestRoot['packs'][number]
  readonly opener: VaultOpener
  /** Numbers of the contents that need it. */
  readonly contents: number[]
}

export class Reading {
  readonly contents = new Contents()
  /** In the order in which contents need them. */
  readonly packs = new Map<PackId, KnownPack>()
  #snapshots = 0

  /**
   * Takes all of a snapshot, or nothing of it.
   * @param pages of its manifest
   * @throws OcmError 'malformed', also when two snapshots tell different things of one pack
   */
  add(root: ManifestRoot, opener: VaultOpener, pages: Iterable<Uint8Array>): void {
    const packs = new Set(this.packs.keys())
    const { count } = this.contents
    try {
      this.#take(root, opener, pages)
      this.#snapshots += 1
    } catch (error) {
      this.contents.forget(count, this.#snapshots)
      for (const [id, { contents }] of this.packs) {
        if (packs.has(id)) contents.splice(contents.findLastIndex((one) => one < count) + 1)
        else this.packs.delete(id)
      }
      throw error
    }
  }

  #take(root: ManifestRoot, opener: VaultOpener, pages: Iterable<Uint8Array>): void {
    const ids = new PackIds(root)
    const needed = (id: PackId): KnownPack => {
      const there = this.packs.get(id)
      if (there) return there
      const made: KnownPack = { known: ids.pack(id), opener, contents: [] }
      this.packs.set(id, made)
      return made
    }
    for (const pack of root.packs) {
      const there = this.packs.get(hex(pack.id))
      if (there && !isSame(there, pack, opener)) throw malformed()
    }
    eachEntry(pages, (entry) => {
      if (entry.extents === undefined) return
      const names = entry.extents.map(([id]) => ids.of(id))
      const numbers = names.map((id) => this.contents.numberOf(id))
      const number = this.contents.add(entry, numbers, this.#snapshots)
      if (number === undefined) return
      for (const id of new Set(names)) needed(id).contents.push(number)
    })
    // Those of pages too: their segments are looked at like all others.
    for (const { id } of root.packs) needed(hex(id))
  }

  /** What a thread is to look for in a pack. */
  usesOf(id: PackId): PackUses {
    const numbers = this.packs.get(id)?.contents ?? []
    const wanted = numbers.map((number) => this.#partsIn(id, number))
    wanted.sort((a, b) => (a.parts[0]?.segment ?? 0) - (b.parts[0]?.segment ?? 0))
    const starts = new Uint32Array(wanted.length + 1)
    const hashes = new Uint8Array(wanted.length * HASH_BYTES)
    const rows = new Float64Array(wanted.reduce((sum, { parts }) => sum + parts.length * ROW, 0))
    let to = 0
    for (const [i, { number, parts }] of wanted.entries()) {
      starts[i] = to
      for (const { segment, offset, length, at } of parts) {
        rows[to] = segment
        rows[to + 1] = offset
        rows[to + 2] = length
        rows[to + 3] = at
        to += ROW
      }
      hashes.set(this.contents.hash(number), i * HASH_BYTES)
    }
    starts[wanted.length] = to
    return {
      contents: Uint32Array.from(wanted, ({ number }) => number),
      how: Uint8Array.from(wanted, ({ how }) => how),
      pieces: Uint32Array.from(wanted, ({ pieces }) => pieces),
      hashes,
      starts,
      rows,
    }
  }

  #partsIn(id: PackId, number: number) {
    const { contents } = this
    const pack = contents.numberOf(id)
    const isDatabase = contents.isDatabase(number)
    const all = contents.parts(number)
    const pieces = isDatabase ? piecesOf(contents.whole(number).size, all) : 0
    const isWhole = !isDatabase && contents.span(number) === 1
    const how = pieces > 0 ? PIECES : isWhole ? WHOLE : PART
    const parts: readonly Part[] = isWhole ? all : all.filter((part) => part.pack === pack)
    return { number, how, pieces, parts }
  }
}

const malformed = () => new OcmError('malformed', { what: 'manifest' })

const isSame = (there: KnownPack, pack: KnownPack['known'], opener: VaultOpener): boolean =>
  there.opener.node === opener.node &&
  there.known.bytes === pack.bytes &&
  there.known.class === pack.class &&
  equal(there.known.header, pack.header)

/** From the bytes of an id to the one text of it: extents that follow one another lie in one pack mostly. */
class PackIds {
  readonly #packs: ReadonlyMap<PackId, KnownPack['known']>
  #bytes = new Uint8Array(0)
  #id: PackId = ''

  constructor({ packs }: ManifestRoot) {
    this.#packs = new Map(packs.map((pack) => [hex(pack.id), pack]))
  }

  /** @throws OcmError 'malformed' for one that the root does not list */
  of(bytes: Uint8Array): PackId {
    if (equal(bytes, this.#bytes)) return this.#id
    const id = hex(bytes)
    this.pack(id)
    this.#bytes = bytes.slice()
    this.#id = id
    return id
  }

  /** @throws OcmError 'malformed' */
  pack(id: PackId): KnownPack['known'] {
    const pack = this.#packs.get(id)
    if (pack === undefined) throw malformed()
    return pack
  }
}
