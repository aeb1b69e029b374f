/** The files of a capture by where they lie, and the names in those directories whose names are listed. */
import { type PlacedPath, absoluteOf, placeOf } from '@ocm/protocol'
import type { Captured } from '../installation.port.ts'

export type CapturedFile = Captured['entries'][number]

/** Directories below which anybody asks for names; of a large workspace most of the rest is never asked for. */
const LISTED = ['skills/', '.agents/skills/', 'extensions/', 'agents/']

export class CapturedFiles {
  readonly #captured: Captured
  readonly #byRoot = new Map<string, Map<string, CapturedFile>>()
  #names: ReadonlyMap<string, ReadonlySet<string>> | undefined

  constructor(captured: Captured) {
    this.#captured = captured
    for (const entry of captured.entries) {
      if (entry.kind !== 'file') continue
      const { root, path } = entry.place
      const files = this.#byRoot.get(root)
      if (files === undefined) this.#byRoot.set(root, new Map([[path, entry]]))
      else files.set(path, entry)
    }
  }

  file({ root, path }: PlacedPath): CapturedFile | undefined {
    return this.#byRoot.get(root)?.get(path)
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

  /** The names in a directory, sorted; none when it was not captured. */
  names({ root, path }: PlacedPath): readonly string[] {
    this.#names ??= this.#namesByDirectory()
    return [...(this.#names.get(`${root}\0${path}`) ?? [])].toSorted()
  }

  /** Directories as the paths of what was captured imply them. */
  #namesByDirectory(): ReadonlyMap<string, ReadonlySet<string>> {
    const directories = new Map<string, Set<string>>()
    for (const { place } of this.#captured.entries) {
      const { root } = place
      if (!root.startsWith('extra:') && !LISTED.some((top) => place.path.startsWith(top))) continue
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
