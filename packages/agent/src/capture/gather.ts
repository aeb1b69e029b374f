/** Everything that is captured, into packs and drafts of entries. What looks as it did is not read. */
import { constants, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ManifestMeta,
  type Omission,
  type PackClass,
  type PlacedPath,
  absoluteOf,
  equal,
  hex,
  identityPrint,
  pathToBytes,
} from '@ocm/protocol'
import type {
  Captured,
  CapturedDatabase,
  DatabaseSource,
  Findings,
  Survey,
} from '../installation.port.ts'
import { type ContentSink, memoryContent } from './contents.ts'
import { changedIn } from './changed-databases.ts'
import { contentHashOfFile } from './database-hash.ts'
import { copyDatabases, fingerprintOf, hasLog } from './database-copy.ts'
import {
  type DatabaseLook,
  type DatabaseOutcome,
  DatabasesBegun,
  type ReadingParts,
  isDatabaseSettled,
  isQuiet,
  lookAt,
  readDatabases,
} from './databases.ts'
import { CapturedEntry, Draft, Drafts, isFile, isLink, nameOf } from './draft.ts'
import type { Earlier } from './earlier.ts'
import { RACY_MS, isSettled, onDisk } from './on-disk.ts'
import { NamesKnown } from './known-names.ts'
import { Listings } from './listings.ts'
import type { Pace } from './pace.ts'
import type { CaptureParts } from './parts.ts'
import { PathFailed, onPath } from './path-failed.ts'
import { type Reader, type Starting, fileUnits } from './reader.ts'
import { Comparison, isSilentChange, markIfSame } from './same.ts'
import { type Done, OUTCOMES, lookAt as lookOfFile } from './units.ts'
import { walk } from './walk.ts'
import { giveBack } from '../workers/collect.ts'

export interface GatheringParts {
  readonly parts: CaptureParts
  readonly earlier: Earlier
  /** This share of what looks the same is read all the same; -1 for none. */
  readonly share: number
  readonly pace: Pace
  /** An empty directory for the account alone, for copies of databases. */
  readonly staging: string
  /** What examine remembers. */
  readonly recall: Uint8Array | undefined
  /** Where this thread stores contents; to be called when the index is loaded, if it is to be. */
  readonly sink: () => ContentSink
  /** @param bytes how much there is to read. */
  readonly reader: (bytes: number) => Starting
  /** To be awaited after each piece. */
  readonly relieve: () => Promise<void>
}

export interface Gathered {
  readonly survey: Survey
  readonly drafts: Drafts
  readonly listings: Listings
  readonly comparison: Comparison
  readonly omissions: readonly Omission[]
  readonly warnings: ManifestMeta['warnings']
  readonly findings: Findings
}

/** How often progress is told: there may be thousands of files in a second. */
const TELL_MS = 250

/** Reading so much takes as much memory as there may be. */
const MUCH_BYTES = 256 * 1024 * 1024

/** In this order, so that each thread has one pack open at a time. */
const ORDER: readonly PackClass[] = ['secret', 'state', 'bulk']

/** SQLite's own check reads all of a database: a large one gets it once a day when it has changed, a small one each time. */
const CHECK_ALWAYS_BYTES = 32 * 1024 * 1024
const CHECK_MS = 24 * 3_600_000

const NOTHING = { bytes: new Uint8Array(0), isSame: false }

export class Gathering {
  readonly #of: GatheringParts
  readonly #drafts: Drafts
  readonly #comparison: Comparison
  readonly #omissions: Omission[] = []
  readonly #warnings: ManifestMeta['warnings'] = []
  readonly #gone = new Set<Draft>()
  /** By name. */
  readonly #databases = new Map<string, Draft>()
  /** Of databases that are to be read. */
  readonly #toCome = new Map<Draft, PromiseWithResolvers<void>>()
  readonly #copies = new Map<string, string>()
  #starting: Starting | undefined
  #reader: Reader | undefined
  #begun: DatabasesBegun | undefined
  #sink: ContentSink | undefined
  #doneBytes = 0
  #totalBytes = 0
  #toldAt = 0

  constructor(of: GatheringParts) {
    this.#of = of
    this.#drafts = new Drafts(of.earlier.cache)
    this.#comparison = new Comparison(of.earlier, of.share)
  }

  /** All packs but those of this thread are sent when it answers. */
  async gather(): Promise<Gathered> {
    try {
      return await this.#gather()
    } finally {
      await this.#starting?.end()
    }
  }

  async #gather(): Promise<Gathered> {
    const { parts, pace } = this.#of
    const { installation, hub, stateDir } = parts
    hub.progress('starting', 0, 0, 'items')
    const survey = await installation.survey()

    hub.progress('scanning', 0, 0, 'items')
    await this.#beginDatabases(survey)
    const { earlier, share } = this.#of
    const known = new NamesKnown(earlier.cache, share)
    const walked = await walk(survey, { without: stateDir, known, now: parts.now, pace })
    this.#omissions.push(...walked.omissions)
    const { databases, others, warnings } = survey.separate(walked.found)
    this.#warnings.push(...survey.warnings, ...warnings)

    const listings = new Listings(walked)
    const changed = this.#compareDatabases(databases)
    const toRead: Draft[] = []
    for (const draft of others) {
      // In the order in which they are found: so they are found again next time.
      this.#drafts.add(draft)
      if (this.#comparison.mustRead(draft)) toRead.push(draft)
    }
    const pause = pace()
    if (pause) await pause
    const isAny = changed.length > 0 || toRead.length > 0
    const read = isAny ? this.#read(survey, changed, toRead) : Promise.resolve()
    const examine = async () => installation.examine(this.#captured(survey, databases, read))
    // Whichever fails, nothing of the other goes on behind this run. It is `read` that examine fails with, not the other way.
    const [, examined] = await Promise.allSettled([read, examine()])
    await read
    if (examined.status === 'rejected') throw examined.reason
    const findings = examined.value
    return {
      survey,
      drafts: this.#drafts,
      listings,
      comparison: this.#comparison,
      omissions: this.#omissions,
      warnings: [...this.#warnings, ...findings.warnings],
      findings,
    }
  }

  /**
   * Databases that are no more what the last snapshot holds, when there is much of them: threads read them while this one
   * walks. Those with something in their log are not among them, because they are copied at one moment with all others in use.
   */
  async #beginDatabases(survey: Survey): Promise<void> {
    const { earlier, reader } = this.#of
    const changed = changedIn(survey, earlier.cache)
    if (changed.length === 0) return
    const looks = this.#looksOf(survey.separate(changed).databases).filter(isQuiet)
    const starting = reader(looks.reduce((sum, { look }) => sum + look.size, 0))
    if (starting.threads === 0) return
    this.#starting = starting
    this.#begun = new DatabasesBegun()
    this.#begun.begin(await this.#readingParts(starting), looks)
  }

  /** Those that are not there any more are met again by the walk, or not. */
  #looksOf(sources: readonly DatabaseSource[]): readonly DatabaseLook[] {
    return sources.flatMap((source) => {
      try {
        return [lookAt(source, this.#of.parts.now)]
      } catch (error) {
        if (error instanceof PathFailed) return []
        throw error
      }
    })
  }

  async #readingParts(starting: Starting): Promise<ReadingParts & { readonly reader: Reader }> {
    const { earlier, parts, staging } = this.#of
    await earlier.loadIndex()
    this.#reader ??= starting.reader()
    return {
      p: parts.p,
      reader: this.#reader,
      staging,
      mustCheck: (source: DatabaseSource) => this.#mustCheck(source),
      progress: (read: number) => this.#progress(read),
      ...(this.#begun ? { begun: this.#begun } : {}),
    }
  }

  #compareDatabases(sources: readonly DatabaseSource[]): readonly DatabaseLook[] {
    const changed: DatabaseLook[] = []
    for (const source of sources) {
      try {
        const look = lookAt(source, this.#of.parts.now)
        const { place } = source
        const draft = new Draft({
          place,
          placement: source,
          kind: 'database',
          look: look.look,
          cached: this.#of.earlier.cache.find(place.root, place.path),
        })
        this.#drafts.add(draft)
        this.#databases.set(nameOf(place), draft)
        if (!this.#comparison.mustRead(draft, look.looks)) continue
        changed.push(look)
        this.#toCome.set(draft, Promise.withResolvers())
      } catch (error) {
        if (!(error instanceof PathFailed)) throw error
        this.#omit(source.place, error.why)
      }
    }
    return changed
  }

  async #read(
    survey: Survey,
    databases: readonly DatabaseLook[],
    files: readonly Draft[],
  ): Promise<void> {
    const { pace } = this.#of
    const { hub } = this.#of.parts
    const bytes =
      databases.reduce((sum, { look }) => sum + look.size, 0) +
      files.reduce((sum, { look }) => sum + look.size, 0)
    const beganBytes = this.#begun?.bytes ?? 0
    this.#totalBytes = bytes
    hub.progress('databases', 0, databases.length, 'items')
    const starting = (this.#starting ??= this.#of.reader(bytes))
    const reading = await this.#readingParts(starting)
    const { reader } = reading
    const ofDatabases = readDatabases(reading, databases, (outcome) => this.#databaseDone(outcome))
    const units = ORDER.flatMap((packClass) => {
      const ofClass = files.filter(({ placement }) => placement.class === packClass)
      return fileUnits(
        ofClass.map((draft) => ({ draft, size: draft.look.size })),
        starting.threads,
      )
    })
    const read = units.map(async (unit) => {
      const [first] = unit
      const paths = unit.map(({ draft }) => onDisk(absoluteOf(survey.layout, draft.place) ?? ''))
      const packClass = first?.draft.placement.class ?? 'bulk'
      const marks = wantedIn(
        survey,
        unit.map(({ draft }) => draft),
      )
      const done = await reader.do({ kind: 'files', class: packClass, paths, ...marks })
      this.#filesDone(
        unit.map(({ draft }) => draft),
        done,
      )
      const pause = pace()
      if (pause) await pause
    })
    // While threads read: what it took to find out what is to be read is not needed beside them. It takes a while.
    if (starting.threads > 0 && bytes - beganBytes >= MUCH_BYTES) giveBack()
    await Promise.all([ofDatabases, ...read])
    await this.#begun?.settled()
    await reader.finish()
    this.#drafts.drop(this.#gone)
    // Threads and the memory that they shared are not needed while the rest is looked at.
    this.#starting = undefined
    this.#reader = undefined
    this.#begun = undefined
  }

  #mustCheck({ place }: DatabaseSource): boolean {
    const { cache } = this.#of.earlier
    const cached = cache.find(place.root, place.path)
    if (cached < 0 || cache.sizeOf(cached) <= CHECK_ALWAYS_BYTES) return true
    const age = this.#of.parts.now() - this.#comparison.checkedAt(cached)
    return age < 0 || age > CHECK_MS
  }

  #filesDone(drafts: readonly Draft[], done: Done): void {
    if (done.kind !== 'files') throw new TypeError('not what was asked for')
    const { cache } = this.#of.earlier
    let bytes = 0
    for (const [n, draft] of drafts.entries()) {
      const outcome = OUTCOMES[done.outcomes[n] as number] as (typeof OUTCOMES)[number]
      bytes += draft.look.size
      if (outcome !== 'read' && outcome !== 'unstable') {
        this.#drop(draft, outcome)
        continue
      }
      draft.content = {
        size: done.sizes[n] as number,
        sha256: done.hashes.slice(n * 32, n * 32 + 32),
        refs: done.refs.slice(n === 0 ? 0 : done.ends[n - 1], done.ends[n]),
      }
      if (isSilentChange(cache, draft)) this.#warnSilent(draft)
      draft.look = lookOfFile(done, n)
      draft.isUnmarked = done.unmarked[n] === 1
      draft.isUnstable = outcome === 'unstable'
      draft.isTrusted = !draft.isUnstable && isSettled(draft.look, done.since, RACY_MS)
      markIfSame(cache, this.#comparison.placements, draft)
    }
    this.#progress(bytes)
  }

  #databaseDone(outcome: DatabaseOutcome): void {
    const { place } = 'omit' in outcome ? outcome.source : outcome.look.source
    const draft = this.#databases.get(nameOf(place))
    if (!draft) throw new TypeError('not what was asked for')
    this.#noteDatabase(draft, outcome)
    // Whoever waits for it sees all of it.
    this.#toCome.get(draft)?.resolve()
  }

  #noteDatabase(draft: Draft, outcome: DatabaseOutcome): void {
    if ('omit' in outcome) {
      this.#drop(draft, outcome.omit)
      return
    }
    const { look, content, flaw, checked, copy } = outcome
    const { cache } = this.#of.earlier
    draft.content = content
    if (isSilentChange(cache, draft) && copy === undefined) this.#warnSilent(draft)
    draft.isUnstable = flaw !== ''
    draft.isTrusted = flaw === '' && isDatabaseSettled(look, RACY_MS)
    const checkedAt = checked ? look.at : this.#comparison.checkedAt(draft.cached)
    draft.database = { looks: look.looks, checkedAt }
    markIfSame(cache, this.#comparison.placements, draft)
    const name = nameOf(draft.place)
    if (copy !== undefined) this.#copies.set(name, copy)
    if (flaw !== '') this.#warnings.push({ code: 'database-damaged', detail: `${name}: ${flaw}` })
  }

  #drop(draft: Draft, why: Omission['why']): void {
    this.#omit(draft.place, why)
    this.#gone.add(draft)
  }

  #warnSilent({ place }: Draft): void {
    this.#warnings.push({ code: 'changed-silently', detail: nameOf(place) })
  }

  #omit({ root, path }: PlacedPath, why: Omission['why']): void {
    this.#omissions.push({ root, path: pathToBytes(path), why })
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes
    // How much there is, is known when all has been looked at.
    if (this.#totalBytes === 0) return
    const done = Math.min(this.#doneBytes, this.#totalBytes)
    if (performance.now() - this.#toldAt < TELL_MS && done < this.#totalBytes) return
    this.#toldAt = performance.now()
    this.#of.parts.hub.progress('files', done, this.#totalBytes, 'bytes')
  }

  /** @param read answers when everything has been read. */
  #captured(survey: Survey, sources: readonly DatabaseSource[], read: Promise<void>): Captured {
    const drafts = this.#drafts
    let entries: readonly CapturedEntry[] | undefined
    return {
      survey,
      recall: this.#of.recall,
      ...this.#fleet(),
      databases: this.#databasesAsRead(sources, read),
      openDatabase: (place) =>
        this.#openDatabase(sources.find((source) => nameOf(source.place) === nameOf(place))),
      entries: () => (entries ??= entriesOf(drafts)),
      read: (place) => this.#readForExamine(survey, place),
    }
  }

  async *#databasesAsRead(
    sources: readonly DatabaseSource[],
    read: Promise<void>,
  ): AsyncGenerator<CapturedDatabase> {
    for (const source of sources) {
      const draft = this.#databases.get(nameOf(source.place))
      if (!draft) continue
      await Promise.race([this.#toCome.get(draft)?.promise, read])
      const sha256 = this.#gone.has(draft) ? undefined : this.#drafts.sha256Of(draft)
      if (sha256) yield { name: nameOf(source.place), source, sha256 }
    }
    await read
  }

  #fleet(): Pick<Captured, 'fleet'> {
    const { p, fleet } = this.#of.parts
    if (fleet === undefined) return {}
    const id = hex(p.sha256(fleet)).slice(0, 16)
    return { fleet: { id, print: (kind, value) => identityPrint(p, fleet, kind, value) } }
  }

  /** The copy that was captured, the original while it is as it was, or a copy that turns out to be the same. */
  async #openDatabase(source: DatabaseSource | undefined): Promise<string | undefined> {
    const draft = source && this.#databases.get(nameOf(source.place))
    const sha256 = draft && this.#drafts.sha256Of(draft)
    if (!source || !sha256) return undefined
    const copy = this.#copies.get(nameOf(source.place))
    if (copy !== undefined) return copy
    const isStill = !hasLog(source) && fingerprintOf(source) === draft.database?.looks
    if (isStill) return source.absolute
    const into = await mkdtemp(join(this.#of.staging, 'copies-'))
    const [made] = await copyDatabases([source], into, undefined, () => false)
    if (!made || 'omit' in made) return undefined
    const { p } = this.#of.parts
    return equal(contentHashOfFile(p, made.absolute, made.size), sha256) ? made.absolute : undefined
  }

  /**
   * The bytes of a captured file. If the file has changed since, what is there now is captured in place of what was,
   * so that what is found in it fits what the snapshot holds.
   */
  #readForExamine(survey: Survey, place: PlacedPath): ReturnType<Captured['read']> {
    const draft = this.#drafts.find(place)
    const absolute = absoluteOf(survey.layout, place)
    if (draft?.kind !== 'file' || absolute === undefined) return NOTHING
    const path = onDisk(absolute)
    try {
      const bytes = onPath(() =>
        readFileSync(path, { flag: constants.O_RDONLY | constants.O_NOFOLLOW }),
      )
      const { p } = this.#of.parts
      const sha256 = this.#drafts.sha256Of(draft)
      const isSame = sha256 !== undefined && equal(p.sha256(bytes), sha256)
      if (!isSame) {
        this.#sink ??= this.#of.sink()
        draft.content = memoryContent(this.#sink, draft.placement.class, bytes)
        draft.isUnmarked = false
        this.#distrust(draft)
      }
      return { bytes, isSame }
    } catch (error) {
      if (!(error instanceof PathFailed)) throw error
      // It is there no more. What was captured of it stays in the snapshot; only nothing is found in it.
      this.#distrust(draft)
      return NOTHING
    }
  }

  #distrust(draft: Draft): void {
    draft.isUnstable = true
    draft.isTrusted = false
    draft.isSame = false
  }
}

const entriesOf = (drafts: Drafts): readonly CapturedEntry[] =>
  drafts.all.flatMap((draft) =>
    isFile(draft) || isLink(draft) ? [new CapturedEntry(drafts, draft)] : [],
  )

function wantedIn(survey: Survey, drafts: readonly Draft[]) {
  const wanted = Uint8Array.from(drafts, ({ place, placement, look }) =>
    survey.isWords?.({ place, placement, kind: 'file', size: look.size }) ? 1 : 0,
  )
  return wanted.includes(1) ? { marks: { texts: survey.marks, wanted } } : {}
}
