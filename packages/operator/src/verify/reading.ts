/**
 * What there is to read of some snapshots, turned round: which contents each pack is needed for. Contents that several
 * snapshots share are read once.
 */
import {
  type Entry,
  type Manifest,
  type ManifestRoot,
  OcmError,
  type PackId,
  type VaultOpener,
  equal,
  hex,
} from '@ocm/protocol'
import { piecesOf } from './check-pack.ts'
import { HASH_BYTES, type PackUses, PART, PIECES, ROW, WHOLE } from './task.ts'

export interface Content {
  /** Where it stands in the first snapshot that has it. */
  readonly entry: Entry
  /** Which snapshots have it, by the order in which they were added. */
  readonly snapshots: number[]
  /** Its packs. */
  readonly packs: ReadonlySet<PackId>
}

export interface KnownPack {
  readonly known: ManifestRoot['packs'][number]
  readonly opener: VaultOpener
  /** Numbers of the contents that need it. */
  readonly contents: number[]
}

export class Reading {
  readonly contents: Content[] = []
  /** In the order in which contents need them. */
  readonly packs = new Map<PackId, KnownPack>()
  readonly #numbers = new Map<string, number>()
  #snapshots = 0

  /** @throws OcmError 'malformed' when two snapshots tell different things of one pack */
  add(root: ManifestRoot, opener: VaultOpener, { entries }: Pick<Manifest, 'entries'>): void {
    const snapshot = this.#snapshots++
    const known = new Map(root.packs.map((pack) => [hex(pack.id), pack]))
    const needed = (id: PackId): KnownPack => {
      const pack = known.get(id)
      if (!pack) throw new OcmError('malformed', { what: 'manifest' })
      const there = this.packs.get(id)
      if (!there) {
        const made: KnownPack = { known: pack, opener, contents: [] }
        this.packs.set(id, made)
        return made
      }
      const same =
        there.opener.node === opener.node &&
        there.known.bytes === pack.bytes &&
        there.known.class === pack.class &&
        equal(there.known.header, pack.header)
      if (!same) throw new OcmError('malformed', { what: 'manifest' })
      return there
    }
    for (const entry of entries) {
      if (entry.extents === undefined) continue
      const key = keyOf(entry)
      const number = this.#numbers.get(key)
      if (number !== undefined) {
        const { snapshots } = this.contents[number] as Content
        if (snapshots.at(-1) !== snapshot) snapshots.push(snapshot)
        continue
      }
      const packs = new Set(entry.extents.map(([id]) => hex(id)))
      this.#numbers.set(key, this.contents.length)
      for (const id of packs) needed(id).contents.push(this.contents.length)
      this.contents.push({ entry, snapshots: [snapshot], packs })
    }
    // Those of pages too: their segments are looked at like all others.
    for (const id of known.keys()) needed(id)
  }

  /** What a thread is to look for in a pack. */
  usesOf(id: PackId): PackUses {
    const wanted = (this.packs.get(id)?.contents ?? []).map((number) => ({
      number,
      ...partsIn(id, this.contents[number] as Content),
    }))
    wanted.sort((a, b) => (a.parts[0]?.segment ?? 0) - (b.parts[0]?.segment ?? 0))
    const starts = new Uint32Array(wanted.length + 1)
    const hashes = new Uint8Array(wanted.length * HASH_BYTES)
    const rows = new Float64Array(wanted.reduce((sum, { parts }) => sum + parts.length * ROW, 0))
    let at = 0
    for (const [i, { number, parts }] of wanted.entries()) {
      starts[i] = at
      for (const part of parts) {
        rows.set([part.segment, part.offset, part.length, part.at], at)
        at += ROW
      }
      const { sha256 } = (this.contents[number] as Content).entry
      if (sha256) hashes.set(sha256, i * HASH_BYTES)
    }
    starts[wanted.length] = at
    return {
      contents: Uint32Array.from(wanted, ({ number }) => number),
      how: Uint8Array.from(wanted, ({ how }) => how),
      pieces: Uint32Array.from(wanted, ({ pieces }) => pieces),
      hashes,
      starts,
      rows,
    }
  }
}

/** Contents with one key are one content at one place. */
function keyOf({ kind, size, sha256, extents = [] }: Entry): string {
  const places = extents.map(([id, ...place]) => `${hex(id.subarray(0, 8))}.${place.join('.')}`)
  return `${kind} ${size} ${sha256 ? hex(sha256) : ''} ${places.join(' ')}`
}

function partsIn(id: PackId, { entry, packs }: Content) {
  const all: { segment: number; offset: number; length: number; at: number; isHere: boolean }[] = []
  let at = 0
  for (const [pack, segment, offset, length] of entry.extents ?? []) {
    all.push({ segment, offset, length, at, isHere: packs.size === 1 || hex(pack) === id })
    at += length
  }
  const pieces = entry.kind === 'database' ? piecesOf(entry.size, all) : 0
  const isWhole = entry.kind === 'file' && packs.size === 1
  const how = pieces > 0 ? PIECES : isWhole ? WHOLE : PART
  return { how, pieces, parts: all.filter(({ isHere }) => isHere) }
}
