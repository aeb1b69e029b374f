/** Looks for words in everything a machine keeps: names, contents, link targets, every text and blob column. */
import { DatabaseSync } from 'node:sqlite'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'

export interface Trace {
  readonly word: string
  /** A file, `link FILE`, `name FILE`, or `FILE table.column`. */
  readonly where: string
}

const SQLITE = Buffer.from('SQLite format 3\0')

/** Paths as bytes: not every name on a disk is UTF-8. */
function* walk(path: Buffer): Generator<Buffer> {
  yield path
  if (!lstatSync(path).isDirectory()) return
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    yield* walk(Buffer.concat([path, Buffer.from('/'), name]))
  }
}

/** How a word may be written: as it is, in base64 at each of three positions, hex, UTF-16, escaped in JSON. */
export function disguises(word: string): readonly Buffer[] {
  const raw = Buffer.from(word)
  const base64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), raw]).toString('base64')
    // Letters at either end depend on the neighbours.
    const core = text.slice(
      shift === 0 ? 0 : shift + 1,
      Math.floor(((raw.length + shift) * 8) / 6) - 1,
    )
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')]
  })
  return [
    raw,
    Buffer.from(word, 'utf16le'),
    Buffer.from(word, 'utf16le').swap16(),
    ...base64.map((text) => Buffer.from(text)),
    Buffer.from(raw.toString('hex')),
    Buffer.from(raw.toString('hex').toUpperCase()),
    Buffer.from(JSON.stringify(word).slice(1, -1).replaceAll('/', '\\/')),
  ]
}

function occurs(needles: readonly Buffer[], bytes: Buffer): boolean {
  const forms = [bytes, unpacked(bytes, gunzipSync), unpacked(bytes, zstdDecompressSync)]
  return forms.some((form) => form && needles.some((needle) => form.includes(needle)))
}

function unpacked(bytes: Buffer, by: (bytes: Buffer) => Buffer): Buffer | undefined {
  try {
    return by(bytes)
  } catch {
    return undefined // Not compressed this way, which is what most files are.
  }
}

function* cells(path: string): Generator<{ where: string; bytes: Buffer }> {
  // A copy, with its side files: looking must not change what is looked at.
  const folder = mkdtempSync(join(tmpdir(), 'ocm-traces-'))
  try {
    for (const side of ['', '-wal', '-shm']) {
      if (existsSync(path + side)) cpSync(path + side, join(folder, `copy${side}`))
    }
    const database = new DatabaseSync(join(folder, 'copy'))
    const tables = database
      .prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
      .all() as { name: string }[]
    for (const { name } of tables) {
      let rows: Iterable<Record<string, unknown>>
      try {
        rows = database.prepare(`select * from "${name}"`).all() as Record<string, unknown>[]
      } catch {
        continue // A virtual table of an extension that this SQLite lacks; its shadow tables are read.
      }
      for (const row of rows) {
        for (const [column, value] of Object.entries(row)) {
          if (typeof value === 'string') {
            yield { where: `${path} ${name}.${column}`, bytes: Buffer.from(value) }
          } else if (value instanceof Uint8Array) {
            yield { where: `${path} ${name}.${column}`, bytes: Buffer.from(value) }
          }
        }
      }
    }
    database.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Every place under `folder` where one of `words` stands, each place once a word.
 * @param depth `plain`: as it is written, databases by their columns. `disguised`: in every disguise, and in the raw
 * bytes of databases too, where deleted rows stay until they are overwritten.
 */
export function traces(
  folder: string,
  words: readonly string[],
  depth: 'plain' | 'disguised',
): readonly Trace[] {
  const needles = words.map((word) => ({
    word,
    forms: depth === 'plain' ? [Buffer.from(word)] : disguises(word),
  }))
  const found = new Map<string, Trace>()
  const look = (where: string, bytes: Buffer) => {
    for (const { word, forms } of needles) {
      if (occurs(forms, bytes)) found.set(`${word} ${where}`, { word, where })
    }
  }
  for (const path of walk(Buffer.from(folder))) {
    const shown = path.toString()
    const stat = lstatSync(path)
    look(`name ${shown}`, path.subarray(Buffer.byteLength(folder)))
    if (stat.isSymbolicLink()) look(`link ${shown}`, readlinkSync(path, { encoding: 'buffer' }))
    if (!stat.isFile()) continue
    const bytes = readFileSync(path)
    const isDatabase = bytes.subarray(0, SQLITE.length).equals(SQLITE)
    if (isDatabase) for (const cell of cells(shown)) look(cell.where, cell.bytes)
    const isSideFile = /-(?:wal|shm)$/.test(shown)
    if (depth === 'disguised' || !(isDatabase || isSideFile)) look(shown, bytes)
  }
  return [...found.values()]
}
