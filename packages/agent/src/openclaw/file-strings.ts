/** Every string of every file that may hold a path: which files are looked at, and as what. */
import { type PlacedPath, type Section, pathsIn } from '@ocm/protocol'
import { editJson5 } from './config-edit.ts'
import { configFilesFrom, visitBrokenConfig, visitConfig, visitLocalUrl } from './config-strings.ts'
import { type EditAssignment, editEnv } from './env-file.ts'
import { type Place, type Walk, visitJsonText, visitLines, visitText } from './strings.ts'
import { parsed } from './salvage.ts'

export interface SourceFile {
  readonly place: PlacedPath
  /** By the layout it was captured under. */
  readonly absolute: string
  readonly section: Section
  readonly size: number
  read(): Uint8Array
  /** Called only when a visit changed something. */
  write(text: string): void
}

/** What changes beside paths; nothing when a capture is only read. */
export interface FileEdits {
  /** @param prefix where the file's value stands in the whole configuration */
  config(value: unknown, prefix: readonly string[]): unknown
  readonly env: EditAssignment
  /** What a file is to hold in place of all that it has; undefined for any other. */
  instead?(file: SourceFile): string | undefined
  /** A JSON file of the state directory, parsed; the same value changes nothing. */
  json(value: unknown, place: PlacedPath): unknown
}

export const NO_EDITS: FileEdits = {
  config: (value) => value,
  env: ({ value }) => value,
  json: (value) => value,
}

/** @param walkOf a walk that knows which file its spots are in */
export function visitFiles(
  files: readonly SourceFile[],
  walkOf: (file: SourceFile) => Walk,
  edits: FileEdits = NO_EDITS,
): void {
  const configuration = configurationOf(files)
  for (const { file, prefix, text } of configuration) {
    const walk = walkOf(file)
    const became =
      parsed(text) === undefined
        ? visitBrokenConfig(walk, text)
        : editJson5(text, (value) => edits.config(visitConfig(walk, prefix, value), prefix))
    if (became !== text) file.write(became)
  }
  const done = new Set(configuration.map(({ file }) => file))
  for (const file of files) {
    if (done.has(file)) continue
    const fresh = edits.instead?.(file)
    if (fresh !== undefined) {
      file.write(fresh)
      continue
    }
    const kind = kindOf(file)
    if (kind === 'skip') continue
    const text = textIn(file.read())
    if (text === undefined) continue
    const became = visitFile(walkOf(file), file, kind, text, edits)
    if (became !== text) file.write(became)
  }
}

/** The files of the configuration, whole, with where each stands in it. */
export interface ConfigurationPart {
  readonly file: SourceFile
  readonly prefix: readonly string[]
  readonly text: string
}

export function configurationOf(files: readonly SourceFile[]): readonly ConfigurationPart[] {
  const byPath = new Map(files.map((file) => [file.absolute, file]))
  return configurationFrom(files.filter(isConfig), (absolute) => byPath.get(absolute))
}

/** @param starts those that nothing needs to include */
export function configurationFrom(
  starts: readonly SourceFile[],
  find: (absolute: string) => SourceFile | undefined,
): readonly ConfigurationPart[] {
  const read = (absolute: string) => {
    const file = find(absolute)
    return file === undefined ? undefined : new TextDecoder().decode(file.read())
  }
  const found = new Map<string, ConfigurationPart>()
  const wholes = starts.map(({ absolute }) => configFilesFrom(absolute, read))
  // What another one includes stands where that one has it, whichever of them comes first.
  const included = new Set(wholes.flatMap(([, ...rest]) => rest.map(({ absolute }) => absolute)))
  const isIncluded = ([first]: (typeof wholes)[number]) => included.has(first?.absolute ?? '')
  for (const whole of wholes.toSorted((a, b) => Number(isIncluded(a)) - Number(isIncluded(b)))) {
    for (const part of whole) {
      const file = find(part.absolute)
      if (file && !found.has(part.absolute)) found.set(part.absolute, { ...part, file })
    }
  }
  return [...found.values()]
}

/** The configuration first: what it includes may have a root of the same kind of name when it lies elsewhere. */
export const isConfig = ({ place }: Pick<SourceFile, 'place'>) =>
  (place.root === 'state' && /^(?:openclaw|clawdbot)\.json$/.test(place.path)) ||
  place.root.startsWith('extra:config-')

/** As what a file is looked at, unless it is of the configuration. */
export type FileKind = 'env' | 'json' | 'prose' | 'skip'

const MAX_TEXT_BYTES = 1024 * 1024
/** Directories of other people's work, and of what programs make from it. */
const UNREAD =
  /(?:^|\/)(?:node_modules|\.venv|__pycache__|\.cache|\.git\/(?:objects|hooks|logs|lfs))\//
const BINARY =
  /\.(?:png|jpe?g|gif|webp|ico|pdf|zip|t?gz|xz|zst|bz2|7z|mp[34]|ogg|wav|webm|mov|woff2?|ttf|otf|so|dylib|node|wasm|sqlite3?|db|bin|pyc|jar|gguf|onnx)$/i

export function kindOf({
  place,
  section,
  size,
}: Pick<SourceFile, 'place' | 'section' | 'size'>): FileKind {
  if (size > MAX_TEXT_BYTES || UNREAD.test(place.path) || BINARY.test(place.path)) return 'skip'
  if (isOfOpenClaw(place)) {
    const name = place.path.slice(place.path.lastIndexOf('/') + 1)
    if (/^\.env(?:\.|$)|\.env$/.test(name)) return 'env'
    const code = /^(?:extensions|hooks|skill-library|skill-workshop)\//.test(place.path)
    if (/\.json5?$/.test(name) && !code && section !== 'workspaces') return 'json'
    // What was said, and logs of it.
    if (section === 'history') return 'skip'
  }
  return 'prose'
}

/** It would be looked through if it were smaller. */
export const isTooLarge = ({
  size,
  place,
  placement: { section },
}: {
  readonly size: number
  readonly place: PlacedPath
  readonly placement: { readonly section: Section }
}): boolean => size > MAX_TEXT_BYTES && kindOf({ place, section, size: 0 }) !== 'skip'

/** Where files have meanings by their names; anywhere else they are words, or not looked at. */
export const isOfOpenClaw = ({ root }: PlacedPath): boolean =>
  root === 'state' || root === 'extra:user-config'

/** @returns the text itself when nothing in it changed. */
export function visitFile(
  walk: Walk,
  file: Pick<SourceFile, 'place' | 'section'>,
  kind: Exclude<FileKind, 'skip'>,
  text: string,
  edits: FileEdits = NO_EDITS,
): string {
  const place: Place = { at: '', section: file.section, secret: file.section === 'credentials' }
  switch (kind) {
    case 'env':
      return editEnv(text, (assignment) => {
        const inside = { at: assignment.name, section: file.section, secret: true }
        const path = visitText(walk, inside, 'structured', assignment.value)
        const value = visitPort(walk, inside, visitLocalUrl(walk, inside, path))
        return edits.env({ ...assignment, value })
      })
    case 'json': {
      const visited = visitJsonText(walk, place, jsonAs(file.place.path), text)
      const value = parsed(visited)
      const became = edits.json(value, file.place)
      return became === value ? visited : `${JSON.stringify(became, null, 2)}\n`
    }
    case 'prose':
      return pathsIn(text, walk.rules).length === 0 ? text : visitLines(walk, place, 'prose', text)
  }
}

/** A variable can pin the gateway's port, and then it follows like the field does. */
const visitPort = (walk: Walk, place: Place, text: string): string =>
  place.at !== 'OPENCLAW_GATEWAY_PORT' || text !== String(walk.port)
    ? text
    : walk.visit({
        ...place,
        kind: 'port',
        class: 'structured',
        text,
        under: '',
        secret: false,
        exact: false,
      })

/** Files of versions before the database, and notes of where a skill came from. */
export function jsonAs(path: string): 'derived' | 'paths' | 'guess' {
  if (/(?:^|\/)(?:exec-approvals|source-origin|jobs|node)\.json$/.test(path)) return 'derived'
  return /(?:^|\/)(?:sessions|auth-profiles|[^/]*\.trajectory-path)\.json$/.test(path)
    ? 'paths'
    : 'guess'
}

/** Undefined for what is not text. Text in another encoding than UTF-8 is not text that could be edited. */
export function textIn(bytes: Uint8Array): string | undefined {
  if (bytes.subarray(0, 8000).includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
