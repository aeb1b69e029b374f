/** Every string of a database that may hold a path, and what becomes of it. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import {
  type Shape,
  isEmpty,
  quote,
  rowsToVisit,
  shapeOf,
  tablesIn,
  uniqueIn,
} from './database-rows.ts'
import { isOfKnownKind, knownColumns } from './known-schema.ts'
import { type DatabaseRole, type How, type Row, type Table, howOf, tablesOf } from './rows.ts'
import { type Walk, visitText, visitTree } from './strings.ts'

/** A table that is not declared: whole paths are unknown ones, paths in words are prose. */
const UNKNOWN: Table = { section: 'gateway', travel: 'always', columns: {}, rest: 'guess' }

/**
 * Walks all tables and writes back what changed; a database opened read-only is safe when `walk` changes nothing.
 * Stops after each stretch of rows, for who has other work to do: nothing is written in the middle of a table.
 * @returns how many rows changed, by `table.column`.
 */
export function* visitDatabase(
  database: DatabaseSync,
  role: DatabaseRole,
  walk: Walk,
): Generator<undefined, Readonly<Record<string, number>>> {
  const declared = tablesOf(role)
  const changed: Record<string, number> = {}
  for (const { name, hasRowids } of tablesIn(database)) {
    const own = Object.hasOwn(declared, name) ? declared[name] : undefined
    if (isEmpty(database, name)) continue
    const shape = shapeOf(database, name, hasRowids)
    const table = own === undefined ? UNKNOWN : withUnknowns(own, newColumns(role, shape))
    if (table.rest === 'skip' && Object.keys(table.columns).length === 0) continue
    const edits = yield* editsIn(database, shape, table, walk)
    if (edits.length > 0) write(database, shape, edits)
    for (const { values } of edits) {
      for (const column of values.keys()) {
        const key = `${name}.${column}`
        changed[key] = (changed[key] ?? 0) + 1
      }
    }
    yield undefined
  }
  return changed
}

/**
 * What this version of OCM knows nothing of: tables that have rows, and columns as `table.column`. It is looked at all
 * the same.
 */
export function unknownParts(database: DatabaseSync, role: DatabaseRole): readonly string[] {
  if (!isOfKnownKind(role)) return []
  return tablesIn(database).flatMap(({ name, hasRowids }) => {
    if (isEmpty(database, name)) return []
    if (knownColumns(role, name) === undefined) return [name]
    return newColumns(role, shapeOf(database, name, hasRowids)).map((column) => `${name}.${column}`)
  })
}

/** Columns with text that a table has got since this version of OCM was made. */
function newColumns(role: DatabaseRole, { name, texts }: Shape): readonly string[] {
  const known = knownColumns(role, name)
  return known === undefined ? [] : texts.filter((column) => !known.has(column))
}

const withUnknowns = (table: Table, columns: readonly string[]): Table =>
  columns.length === 0
    ? table
    : {
        ...table,
        columns: { ...Object.fromEntries(columns.map((one) => [one, 'guess'])), ...table.columns },
      }

/** What a row is to hold instead. */
interface Edit {
  readonly key: readonly SQLInputValue[]
  readonly values: ReadonlyMap<string, string>
}

function* editsIn(
  database: DatabaseSync,
  shape: Shape,
  table: Table,
  walk: Walk,
): Generator<undefined, readonly Edit[]> {
  const columns = shape.texts.filter((column) => howOf(table, column) !== 'skip')
  if (columns.length === 0) return []
  const edits: Edit[] = []
  for (const row of rowsToVisit(database, shape, table, columns, walk)) {
    if (row === undefined) {
      yield undefined
      continue
    }
    const values = new Map<string, string>()
    for (const column of columns) {
      const text = row[column]
      if (typeof text !== 'string') continue
      const declared = howOf(table, column)
      const how = typeof declared === 'function' ? declared(row) : declared
      const value = visitColumn(walk, table, how, () => labelOf(column, shape, row), text)
      if (value !== text) values.set(column, value)
    }
    const key = shape.keys.map((_, i) => row[`~key${i}`] as SQLInputValue)
    if (values.size > 0) edits.push({ key, values })
  }
  return edits
}

function visitColumn(
  walk: Walk,
  { section }: Table,
  how: How,
  label: () => string,
  text: string,
): string {
  if (how === 'skip') return text
  const at = label()
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

function labelOf(column: string, { name, named }: Shape, row: Row): string {
  const key = named.filter((one) => one !== column).map((one) => String(row[one] ?? ''))
  const label = key.join(' ') || String(row['~key0'] ?? '')
  // A key may begin with a long path, and end with what tells rows apart.
  const short =
    label.length > 80 ? `${label.slice(0, 30)}… …${label.slice(-45).trimStart()}` : label
  return `${name}.${column} ${short}`
}

/**
 * In two steps where values must differ: rows may be about to change places, and then neither may stand in the
 * other's way. A row that is in the way for good, left over from an earlier life at the new place, gives way.
 */
function write(database: DatabaseSync, shape: Shape, edits: readonly Edit[]): void {
  const { name } = shape
  const unique = uniqueIn(database, shape)
  const where = shape.keys.map((key) => `${quote(key)} = ?`).join(' AND ')
  const update = (key: Edit['key'], values: ReadonlyMap<string, string>) => {
    const set = [...values.keys()].map((column) => `${quote(column)} = ?`).join(', ')
    database
      .prepare(`UPDATE OR REPLACE ${quote(name)} SET ${set} WHERE ${where}`)
      .run(...values.values(), ...key)
  }
  const apart = edits.map(({ key, values }, i) => {
    const clashing = [...values.keys()].filter((column) => unique.has(column))
    const aside = new Map(clashing.map((column) => [column, `\u0000ocm ${i}`]))
    if (aside.size > 0) update(key, aside)
    return { key: shape.keys.map((column, at) => aside.get(column) ?? key[at] ?? null), values }
  })
  for (const { key, values } of apart) update(key, values)
}
