/** Every string of a database that may hold a path, and what becomes of it. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { type DatabaseRole, type How, type Row, type Table, tablesOf } from './rows.ts'
import { type Walk, visitText, visitTree } from './strings.ts'

/** A table that is not declared: whole paths are unknown ones, paths in words are prose. */
const UNKNOWN: Table = { section: 'gateway', travel: 'always', columns: {}, rest: 'guess' }

/**
 * Walks all tables and writes back what changed; a database opened read-only is safe when `walk` changes nothing.
 * @returns how many rows changed, by `table.column`.
 */
export function visitDatabase(
  database: DatabaseSync,
  role: DatabaseRole,
  walk: Walk,
): Readonly<Record<string, number>> {
  const declared = tablesOf(role)
  const changed: Record<string, number> = {}
  for (const name of tableNames(database)) {
    const table = declared[name] ?? UNKNOWN
    if (table.rest === 'skip' && Object.keys(table.columns).length === 0) continue
    for (const { values } of editsIn(database, name, table, walk)) {
      for (const column of values.keys()) {
        const key = `${name}.${column}`
        changed[key] = (changed[key] ?? 0) + 1
      }
    }
  }
  return changed
}

/** What a row is to hold instead. */
interface Edit {
  readonly key: readonly SQLInputValue[]
  readonly values: ReadonlyMap<string, string>
}

function editsIn(database: DatabaseSync, name: string, table: Table, walk: Walk): readonly Edit[] {
  const shape = shapeOf(database, name)
  const columns = shape.texts.filter((column) => (table.columns[column] ?? table.rest) !== 'skip')
  if (columns.length === 0) return []
  const edits: Edit[] = []
  for (const row of rowsOf(database, name, shape, table, columns, walk)) {
    const values = new Map<string, string>()
    for (const column of columns) {
      const text = row[column]
      if (typeof text !== 'string') continue
      const declared = table.columns[column] ?? table.rest
      const how = typeof declared === 'function' ? declared(row) : declared
      const value = visitColumn(walk, table, how, labelOf(name, column, shape, row), text)
      if (value !== text) values.set(column, value)
    }
    const key = shape.keys.map((_, i) => row[`~key${i}`] as SQLInputValue)
    if (values.size > 0) edits.push({ key, values })
  }
  write(database, name, shape, edits)
  return edits
}

function visitColumn(walk: Walk, table: Table, how: How, at: string, text: string): string {
  const { section } = table
  if (typeof how === 'string' && how !== 'guess') return visitText(walk, { at, section }, how, text)
  const as = typeof how === 'string' ? () => how : how.json
  const place = { at: `${at} `, section, secret: typeof how === 'object' && how.secret === true }
  const parsed = /^\s*[[{"]/.test(text) ? parse(text) : undefined
  if (parsed === undefined) return visitText(walk, { ...place, at }, as([]), text)
  const became = visitTree(walk, place, as, parsed)
  return became === parsed ? text : stringify(became, text)
}

/** Keeps a number that JavaScript cannot hold as its digits. */
const asWritten = (_key: string, value: unknown, { source }: { readonly source?: string }) =>
  typeof value === 'number' && source !== undefined && String(value) !== source
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source)
    : value

function parse(text: string): unknown {
  try {
    return JSON.parse(text, asWritten as (key: string, value: unknown) => unknown) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** In the form it had: indented with a line at its end, or packed. */
function stringify(value: unknown, was: string): string {
  const indent = /^[[{]\n( +)/.exec(was)?.[1]?.length ?? 0
  return JSON.stringify(value, null, indent) + (was.endsWith('\n') ? '\n' : '')
}

interface Shape {
  /** What names a row: its rowid, or the columns of its primary key. */
  readonly keys: readonly string[]
  readonly texts: readonly string[]
  /** Columns of the primary key, for people. */
  readonly named: readonly string[]
  /** Columns that must differ from row to row. */
  readonly unique: ReadonlySet<string>
}

/** Tables with rows of their own: no virtual ones, and no parts of virtual ones. */
const tableNames = (database: DatabaseSync): readonly string[] =>
  database
    .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    .all()
    .map(({ name }) => String(name))
    .filter((name) => !name.startsWith('sqlite_'))
    .toSorted()

function shapeOf(database: DatabaseSync, name: string): Shape {
  const columns = database
    .prepare('SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)')
    .all(name)
    .filter(({ hidden }) => hidden === 0)
    .map(({ name: column, type, pk }) => ({
      column: String(column),
      text: !/INT|REAL|FLOA|DOUB|BLOB|NUMERIC/i.test(String(type)),
      pk: Number(pk),
    }))
  const primary = columns.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk)
  const named = primary.map(({ column }) => column)
  const info = database.prepare('SELECT wr FROM pragma_table_list WHERE name = ?').get(name)
  const indexed = database
    .prepare(
      'SELECT c.name FROM pragma_index_list(?) AS i JOIN pragma_index_info(i.name) AS c WHERE i."unique" = 1',
    )
    .all(name)
    .map((row) => String(row['name']))
  return {
    keys: info?.['wr'] === 1 ? named : ['rowid'],
    texts: columns.filter(({ text }) => text).map(({ column }) => column),
    named,
    unique: new Set([...named, ...indexed]),
  }
}

/**
 * Rows to look at. Where every row counts (a declared column) all are read; otherwise SQLite looks for the beginnings
 * of the roots first, so that large tables do not pass through.
 */
function* rowsOf(
  database: DatabaseSync,
  name: string,
  shape: Shape,
  table: Table,
  columns: readonly string[],
  walk: Walk,
): Generator<Row> {
  const all = columns.some((column) => Object.hasOwn(table.columns, column))
  const needles = all ? [] : needlesOf(walk)
  const filter = columns.flatMap((column) => needles.map(() => `instr(${quote(column)}, ?) > 0`))
  const picked = [
    ...shape.keys.map((key, i) => `${quote(key)} AS "~key${i}"`),
    ...new Set([
      ...shape.named,
      ...columns,
      ...Object.keys(table.columns).filter((c) => shape.texts.includes(c)),
    ]),
  ].map((one) => (one.includes(' AS ') ? one : quote(one)))
  const where = filter.length > 0 ? `WHERE ${filter.join(' OR ')}` : ''
  const query = database.prepare(`SELECT ${picked.join(', ')} FROM ${quote(name)} ${where}`)
  yield* query.iterate(...columns.flatMap(() => needles)) as Iterable<Row>
}

/** What every path of the roots begins with: the outermost of them, and the home's short form. */
function needlesOf({ rules }: Walk): readonly string[] {
  const roots = rules.map(({ was }) => was).filter((was) => was !== '/')
  return [...roots.filter((root) => !roots.some((other) => root.startsWith(`${other}/`))), '~/']
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

function labelOf(name: string, column: string, shape: Shape, row: Row): string {
  const key = shape.named.filter((one) => one !== column).map((one) => String(row[one] ?? ''))
  const label = key.join(' ') || String(row['~key0'] ?? '')
  return `${name}.${column} ${label.length > 80 ? `${label.slice(0, 79)}…` : label}`
}

/**
 * In two steps where values must differ: rows may be about to change places, and then neither may stand in the
 * other's way. A row that is in the way for good, left over from an earlier life at the new place, gives way.
 */
function write(database: DatabaseSync, name: string, shape: Shape, edits: readonly Edit[]): void {
  const where = shape.keys.map((key) => `${quote(key)} = ?`).join(' AND ')
  const update = (key: Edit['key'], values: ReadonlyMap<string, string>) => {
    const set = [...values.keys()].map((column) => `${quote(column)} = ?`).join(', ')
    database
      .prepare(`UPDATE OR REPLACE ${quote(name)} SET ${set} WHERE ${where}`)
      .run(...values.values(), ...key)
  }
  const apart = edits.map(({ key, values }, i) => {
    const clashing = [...values.keys()].filter((column) => shape.unique.has(column))
    const aside = new Map(clashing.map((column) => [column, `\u0000ocm ${i}`]))
    if (aside.size > 0) update(key, aside)
    return { key: shape.keys.map((column, at) => aside.get(column) ?? key[at] ?? null), values }
  })
  for (const { key, values } of apart) update(key, values)
}
