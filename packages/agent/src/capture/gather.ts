/** Everything that is captured, into packs and a manifest. */
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import {
  type Entry,
  type Manifest,
  type ManifestMeta,
  type Omission,
  type PlacedPath,
  equal,
  eachManifestPage,
  pathFromBytes,
  pathToBytes,
} from '@ocm/protocol'
import type { Captured, Findings, Placement, Survey } from '../installation.port.ts'
import { type Content, type ContentSink, databaseContent, memoryContent } from './contents.ts'
import { type CopyOutcome, type DatabaseCopy, copyDatabases } from './database-copy.ts'
import type { Pace } from './pace.ts'
import type { CaptureParts } from './parts.ts'
import { PathFailed, onPath } from './path-failed.ts'
import { readFile } from './read-file.ts'
import { type Found, onDisk, walk } from './walk.ts'

/** An entry whose content may still be on its way into a pack. */
interface Draft {
  readonly place: PlacedPath
  readonly placement: Placement
  readonly kind: Entry['kind']
  mode: number
  modifiedAt: number
  target?: Uint8Array
  content?: Content
  unstable: boolean
}

/** How often progress is told: there may be thousands of files in a second. */
const TELL_MS = 250

const nameOf = ({ root, path }: PlacedPath) => `${root}:${path}`

export class Gathering {
  readonly #parts: CaptureParts
  readonly #sink: ContentSink
  readonly #pace: Pace
  readonly #staging: string
  readonly #startedAt: number
  readonly #drafts = new Map<string, Draft>()
  readonly #omissions: Omission[] = []
  readonly #warnings: ManifestMeta['warnings'] = []
  #doneBytes = 0
  #totalBytes = 0
  #toldAt = 0

  /** @param staging an empty directory for the account alone, for copies of databases. */
  constructor(
    parts: CaptureParts,
    sink: ContentSink,
    pace: Pace,
    staging: string,
    startedAt: number,
  ) {
    this.#parts = parts
    this.#sink = sink
    this.#pace = pace
    this.#staging = staging
    this.#startedAt = startedAt
  }

  /** All packs are finished when it answers, and taken or on their way. */
  async gather(): Promise<{ readonly manifest: Manifest; readonly pages: readonly Content[] }> {
    const { installation, hub, stateDir } = this.#parts
    hub.progress('starting', 0, 0, 'items')
    const survey = await installation.survey()

    hub.progress('scanning', 0, 0, 'items')
    const walked = await walk(survey, stateDir, this.#pace)
    this.#omissions.push(...walked.omissions)
    const { databases, others, warnings } = survey.separate(walked.found)
    this.#warnings.push(...warnings)
    hub.progress('databases', 0, databases.length, 'items')
    const copies = await copyDatabases(databases, this.#staging)
    const found = others.filter(({ kind }) => kind === 'file')
    this.#totalBytes = [...copies, ...found].reduce(
      (bytes, one) => bytes + ('size' in one ? one.size : 0),
      0,
    )

    for (const copy of copies) await this.#database(copy)
    for (const one of others) await this.#found(one)
    const findings = await installation.examine(this.#captured(survey, copies))
    await this.#finish(['secret', 'state', 'bulk'])

    hub.progress('manifest', 0, 0, 'items')
    const manifest = this.#manifest(survey, findings)
    const pages: Content[] = []
    for (const page of eachManifestPage(manifest)) {
      pages.push(memoryContent(this.#sink, 'tree', page))
      await this.#sink.relieve()
    }
    await this.#finish(['tree'])
    return { manifest, pages }
  }

  async #finish(packClasses: Parameters<ContentSink['packing']['finish']>[0]): Promise<void> {
    this.#sink.packing.finish(packClasses)
    await this.#sink.relieve()
  }

  async #database(outcome: CopyOutcome): Promise<void> {
    const { place } = outcome.source
    if ('omit' in outcome) {
      this.#omit(place, outcome.omit)
      return
    }
    const { source, absolute, size, mode, modifiedAt, flaw } = outcome
    const descriptor = openSync(absolute, 'r')
    try {
      const content = await databaseContent(this.#sink, source.class, descriptor, size)
      const unstable = flaw !== ''
      const draft = { place, placement: source, kind: 'database' as const, mode, modifiedAt }
      this.#drafts.set(nameOf(place), { ...draft, content, unstable })
      if (unstable) {
        this.#warnings.push({ code: 'database-damaged', detail: `${nameOf(place)}: ${flaw}` })
      }
    } finally {
      closeSync(descriptor)
    }
    this.#progress(size)
  }

  async #found(found: Found): Promise<void> {
    const { place, placement, kind, mode, modifiedAt, target } = found
    const draft: Draft = { place, placement, kind, mode, modifiedAt, unstable: false }
    if (target) draft.target = target
    if (kind === 'file') {
      const read = await readFile(this.#sink, placement.class, found.path, this.#parts.now)
      if ('omit' in read) {
        this.#omit(place, read.omit)
        return
      }
      Object.assign(draft, read)
      this.#progress(found.size)
    }
    this.#drafts.set(nameOf(place), draft)
    await this.#sink.relieve()
  }

  #omit({ root, path }: PlacedPath, why: Omission['why']): void {
    this.#omissions.push({ root, path: pathToBytes(path), why })
  }

  #progress(bytes: number): void {
    this.#doneBytes = Math.min(this.#doneBytes + bytes, this.#totalBytes)
    if (performance.now() - this.#toldAt < TELL_MS && this.#doneBytes < this.#totalBytes) return
    this.#toldAt = performance.now()
    this.#parts.hub.progress('files', this.#doneBytes, this.#totalBytes, 'bytes')
  }

  #captured(survey: Survey, copies: readonly CopyOutcome[]): Captured {
    const copied = copies.filter((copy): copy is DatabaseCopy => 'absolute' in copy)
    const paths = new Map(copied.map(({ source, absolute }) => [nameOf(source.place), absolute]))
    const drafts = [...this.#drafts.values()]
    return {
      survey,
      recall: undefined,
      databases: new Map(
        copied.flatMap(({ source }) => {
          const sha256 = this.#drafts.get(nameOf(source.place))?.content?.sha256
          return sha256 ? [[nameOf(source.place), { source, sha256 }]] : []
        }),
      ),
      openDatabase: (place) => Promise.resolve(paths.get(nameOf(place))),
      entries: drafts.flatMap(({ place, kind, placement, content, target }) =>
        kind === 'file' || kind === 'link'
          ? [
              {
                place,
                kind,
                placement,
                size: content?.size ?? target?.length ?? 0,
                ...(content ? { sha256: content.sha256 } : {}),
                ...(target ? { target: pathFromBytes(target) } : {}),
              },
            ]
          : [],
      ),
      read: (place) => this.#read(survey, place),
    }
  }

  /**
   * The bytes of a captured file. If the file has changed since, what is there now is captured in place of what was,
   * so that what is found in it fits what the snapshot holds.
   */
  #read(survey: Survey, place: PlacedPath): Uint8Array {
    const draft = this.#drafts.get(nameOf(place))
    const root = survey.layout.roots[place.root]
    if (draft?.kind !== 'file' || root === undefined) return new Uint8Array(0)
    const path = onDisk(place.path === '' ? root : `${root}/${place.path}`)
    try {
      const bytes = onPath(() =>
        readFileSync(path, { flag: constants.O_RDONLY | constants.O_NOFOLLOW }),
      )
      const { p } = this.#sink
      if (!draft.content || !equal(p.sha256(bytes), draft.content.sha256)) {
        draft.content = memoryContent(this.#sink, draft.placement.class, bytes)
        draft.unstable = true
      }
      return bytes
    } catch (error) {
      if (!(error instanceof PathFailed)) throw error
      // It is there no more. What was captured of it stays in the snapshot; only nothing is found in it.
      draft.unstable = true
      return new Uint8Array(0)
    }
  }

  #manifest(survey: Survey, findings: Findings): Manifest {
    return {
      v: 1,
      layout: survey.layout,
      inventory: findings.inventory,
      config: findings.config,
      holdings: [...findings.holdings],
      warnings: [...survey.warnings, ...findings.warnings, ...this.#warnings],
      startedAt: this.#startedAt,
      entries: [...this.#drafts.values()].map((draft) => this.#entry(draft)),
      omissions: this.#omissions,
      mentions: findings.mentions,
    }
  }

  #entry(draft: Draft): Entry {
    const { place, placement, kind, mode, modifiedAt, content, target, unstable } = draft
    return {
      root: place.root,
      path: pathToBytes(place.path),
      kind,
      section: placement.section,
      ...(placement.persona === undefined ? {} : { persona: placement.persona }),
      travel: placement.travel,
      mode,
      modifiedAt,
      size: content?.size ?? target?.length ?? 0,
      ...(content
        ? { sha256: content.sha256, extents: this.#sink.packing.resolve(content.refs) }
        : {}),
      ...(target ? { target } : {}),
      ...(unstable ? { unstable: true as const } : {}),
    }
  }
}
