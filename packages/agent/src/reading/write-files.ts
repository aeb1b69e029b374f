/**
 * Writes entries of a snapshot, pack by pack: each pack is fetched once, opened by one of the crew, and all that is
 * wanted of it is written. Memory is bounded by the packs in hand, however large the snapshot is.
 */
import {
  type Entry,
  type ManifestRoot,
  OcmError,
  type OpenerOf,
  type Primitives,
  equal,
  contentHash,
  hex,
} from '@ocm/protocol'
import type { Crew } from './crew.ts'
import { damageOf } from './damage.ts'
import { type FetchPart, fetchPack } from './fetch-pack.ts'
import type { AdoptOrder, FileSpot, FinishOrder, Spot } from './orders.ts'
import { type NumberedFile, type Strand, weave } from './weave.ts'

/** Where packs come from, and what opens them. */
export interface PackSource {
  /** What the snapshot's root says of its packs. */
  readonly packs: ManifestRoot['packs']
  readonly fetch: FetchPart
  readonly openerOf: OpenerOf
}

export interface Placing {
  readonly spot: Spot
  readonly entry: Entry
  /** Permissions until it is sealed, if not those of the entry. */
  readonly draftMode?: number
  /** A file with the same content that may be taken over, as it looked when it was sealed. */
  readonly twin?: { readonly spot: Spot; readonly seen: Seen }
}

export interface Damage {
  readonly spot: Spot
  readonly entry: Entry
  readonly code: 'pack-damaged' | 'pack-missing'
}

export interface WriteOptions {
  readonly signal?: AbortSignal
  /** Told of bytes of content as they are written. */
  readonly progress?: (bytes: number) => void
}

/** What a file looked like when it was sealed, to tell later whether it still is as it was written. */
export interface Seen {
  readonly inode: bigint
  /** Nanoseconds; of a change of any kind. */
  readonly changedAt: bigint
}

/** Packs on their way at the same time. */
const FETCHES = 2

/**
 * Files are verified, have their times, and their permissions as far as their owner may still change them. Nothing is
 * durable. What could not be read is not there and is answered; the others are there.
 * @throws whatever is not damage of stored bytes; what was written until then is not to be used.
 */
export async function writeFiles(
  p: Primitives,
  source: PackSource,
  placings: readonly Placing[],
  crew: Crew,
  options: WriteOptions = {},
): Promise<readonly Damage[]> {
  const { progress } = options
  const twins: { readonly placing: Placing; readonly file: AdoptOrder['files'][number] }[] = []
  const files: NumberedFile[] = []
  const write = ({ spot, entry, draftMode }: Placing) =>
    files.push({ entry, spot: fileSpot(spot, files.length, entry, draftMode) })
  for (const placing of placings) {
    const { spot, entry, twin, draftMode } = placing
    if (entry.kind === 'directory' || entry.kind === 'link') continue
    if (!twin) {
      write(placing)
      continue
    }
    const file = fileSpot(spot, twins.length, entry, draftMode)
    twins.push({ placing, file: { ...file, from: twin.spot, ...twin.seen } })
  }
  const others = await Promise.all(
    sharesOf(twins, crew.size).map(async (share) => {
      const { damaged } = await crew.carryOut({ kind: 'adopt', files: share.map((t) => t.file) })
      const isOther = new Set(damaged)
      progress?.(share.reduce((sum, { file }) => sum + (isOther.has(file.file) ? 0 : file.size), 0))
      return damaged
    }),
  )
  for (const number of others.flat()) write((twins[number] as (typeof twins)[number]).placing)

  const work = new Weaving(p, source, files, crew, options)
  await work.run()
  await crew.carryOut(finishing(placings, work.leftOvers()))
  return work.damages()
}

export const fileSpot = (
  { top, path }: Spot,
  file: number,
  { size, kind, mode, modifiedAt }: Entry,
  draftMode = mode,
): FileSpot => ({
  top,
  path,
  file,
  size,
  isDatabase: kind === 'database',
  mode: draftMode,
  modifiedAt,
})

/** In as many parts as there are who work at it, none of them empty. */
export function sharesOf<T>(all: readonly T[], count: number): readonly (readonly T[])[] {
  const size = Math.max(Math.ceil(all.length / count), 1)
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
    all.slice(i * size, (i + 1) * size),
  )
}

function finishing(placings: readonly Placing[], remove: readonly Spot[]): FinishOrder {
  const links: FinishOrder['links'][number][] = []
  const directories: Spot[] = []
  for (const { spot, entry } of placings) {
    if (entry.kind === 'directory') directories.push(spot)
    if (entry.kind !== 'link') continue
    const target = (entry.target ?? new Uint8Array()).slice()
    links.push({ ...spot, target, modifiedAt: entry.modifiedAt })
  }
  return { kind: 'finish', remove, directories, links }
}

class Weaving {
  readonly #p: Primitives
  readonly #source: PackSource
  readonly #files: readonly NumberedFile[]
  readonly #crew: Crew
  readonly #options: WriteOptions
  readonly #known: ReadonlyMap<string, ManifestRoot['packs'][number]>
  readonly #strands: Strand[]
  /** Of each file, how many packs are still to come. */
  readonly #parts: Uint32Array
  readonly #isCut: readonly boolean[]
  readonly #damaged = new Map<number, Damage['code']>()
  readonly #fetching = places(FETCHES)
  #failure: { readonly error: unknown } | undefined

  constructor(
    p: Primitives,
    source: PackSource,
    files: readonly NumberedFile[],
    crew: Crew,
    options: WriteOptions,
  ) {
    this.#p = p
    this.#source = source
    this.#files = files
    this.#crew = crew
    this.#options = options
    this.#known = new Map(source.packs.map((pack) => [hex(pack.id), pack]))
    const { strands, parts } = weave(files)
    this.#strands = strands.toReversed()
    this.#parts = parts
    this.#isCut = Array.from(parts, (count) => count > 1)
  }

  async run(): Promise<void> {
    const made = this.#files.filter((file) => this.#parts[file.spot.file] !== 1)
    for (const { spot, entry } of made) {
      if (entry.size === 0 && !this.#isEmpty(entry)) this.#damaged.set(spot.file, 'pack-damaged')
    }
    const create = made.filter(({ spot }) => !this.#damaged.has(spot.file))
    await this.#crew.carryOut({ kind: 'create', files: create.map(({ spot }) => spot) })
    // One more pack is in hand than is worked on: over a slow line that is enough too, nobody is at work then.
    const lanes = Array.from({ length: this.#crew.size + 1 }, () => this.#lane())
    await Promise.all(lanes)
    if (this.#failure) throw this.#failure.error
  }

  damages(): readonly Damage[] {
    return [...this.#damaged].map(([number, code]) => {
      const { spot, entry } = this.#files[number] as NumberedFile
      return { spot: { top: spot.top, path: spot.path }, entry, code }
    })
  }

  /** What was made for files that turned out to be damaged. */
  leftOvers(): readonly Spot[] {
    return [...this.#damaged.keys()].flatMap((number) =>
      this.#isCut[number] ? [(this.#files[number] as NumberedFile).spot] : [],
    )
  }

  #isEmpty(entry: Entry): boolean {
    const hash = contentHash(this.#p, entry.kind, 0)
    return entry.sha256 !== undefined && equal(hash.digest(), entry.sha256)
  }

  /** One pack after another until there are none, or somebody has failed. */
  async #lane(): Promise<void> {
    try {
      for (;;) {
        if (this.#failure) return
        this.#options.signal?.throwIfAborted()
        const strand = this.#strands.pop()
        if (!strand) return
        await this.#write(strand)
      }
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  async #write(strand: Strand): Promise<void> {
    const order = await this.#fetch(strand)
    if (this.#failure) return
    if (typeof order === 'string') {
      for (const file of strand.files) this.#damaged.set(file, order)
    } else {
      const { damaged } = await this.#crew.carryOut(order)
      for (const file of damaged) this.#damaged.set(file, 'pack-damaged')
    }
    this.#options.progress?.(strand.wanted)
    for (const file of strand.files) await this.#partDone(file)
  }

  #fetch(strand: Strand) {
    const known = this.#known.get(strand.pack)
    const opener = this.#source.openerOf(strand.pack)
    if (!known) return 'pack-damaged'
    if (!opener) throw new OcmError('seal-broken', { pack: strand.pack })
    return this.#fetching(async () => {
      try {
        return await fetchPack(this.#p, this.#source.fetch, known, opener, strand, (length) =>
          this.#crew.room(length),
        )
      } catch (error) {
        const code = damageOf(error)
        if (code) return code
        throw error
      }
    })
  }

  async #partDone(number: number): Promise<void> {
    const left = (this.#parts[number] as number) - 1
    this.#parts[number] = left
    if (left > 0 || !this.#isCut[number] || this.#damaged.has(number)) return
    const { spot, entry } = this.#files[number] as NumberedFile
    const sha256 = (entry.sha256 ?? new Uint8Array()).slice()
    const { damaged } = await this.#crew.carryOut({ kind: 'check', file: spot, sha256 })
    if (damaged.length > 0) this.#damaged.set(number, 'pack-damaged')
  }
}

/** Lets so many work at the same time. */
function places(count: number) {
  let free = count
  const waiting: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    else free--
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}
