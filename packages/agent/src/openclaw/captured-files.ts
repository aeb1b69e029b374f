/** The files of a capture by where they lie, and the names of those that list something. */
import { type PlacedPath, absoluteOf, placeOf } from '@ocm/protocol'
import type { Captured, CapturedFile } from '../installation.port.ts'

/** Nobody asks for the names of directories without one of these: of a large workspace there are few. */
const LISTED = /(?:^|\/)(?:SKILL\.md|openclaw\.plugin\.json|sessions\.json|auth-profiles\.json)$/
const LAST_NAMES = ['md', 'json']

export class CapturedFiles {
  readonly #captured: Captured
  readonly #byRoot = new Map<string, ReadonlyMap<string, CapturedFile>>()
  #names: ReadonlyMap<string, ReadonlySet<string>> | undefined

  constructor(captured: Captured) {
    this.#captured = captured
  }

  file({ root, path }: PlacedPath): CapturedFile | undefined {
    let files = this.#byRoot.get(root)
    if (files === undefined) {
      files = this.#filesIn(root)
      this.#byRoot.set(root, files)
    }
    return files.get(path)
  }

  /** @param absolute by the layout of the capture. */
  placeOf(absolute: string): PlacedPath | undefined {
    return placeOf(this.#captured.survey.layout, absolute)
  }

  get roots(): readonly string[] {
    return Object.keys(this.#captured.survey.layout.roots)
  }

  absoluteOf({ place }: CapturedFile): string {
    return absoluteOf(this.#captured.survey.layout, place) ?? ''
  }

  /** The names in a directory, sorted, of what lists something and of the directories that lead there. */
  names({ root, path }: PlacedPath): readonly string[] {
    this.#names ??= this.#namesByDirectory()
    return [...(this.#names.get(`${root}\0${path}`) ?? [])].toSorted()
  }

  #filesIn(root: string): ReadonlyMap<string, CapturedFile> {
    const files = new Map<string, CapturedFile>()
    for (const entry of this.#captured.entries()) {
      if (entry.kind === 'file' && entry.place.root === root) files.set(entry.place.path, entry)
    }
    return files
  }

  /** Directories as the paths of what was captured imply them. */
  #namesByDirectory(): ReadonlyMap<string, ReadonlySet<string>> {
    const directories = new Map<string, Set<string>>()
    for (const { place } of this.#captured.entries()) {
      const { root } = place
      if (!LAST_NAMES.some((last) => place.path.endsWith(last)) || !LISTED.test(place.path))
        continue
      for (let path = place.path; path !== '';) {
        const cut = path.lastIndexOf('/')
        const parent = cut === -1 ? '' : path.slice(0, cut)
        const name = path.slice(cut + 1)
        const names = directories.get(`${root}\0${parent}`)
        if (names?.has(name)) break
        if (names === undefined) directories.set(`${root}\0${parent}`, new Set([name]))
        else names.add(name)
        path = parent
      }
    }
    return directories
  }
}
