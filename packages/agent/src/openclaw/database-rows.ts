/** The tables of a database, and those of their rows in which something may stand that is looked for. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { marksOf } from '@ocm/protocol'
import { type Row, type Table, howOf } from './rows.ts'
import type { As, Walk } from './strings.ts'

export interface Shape {
  readonly name: string
  /** What names a row: its rowid, or the columns of its primary key. */
  readonly keys: readonly string[]
  readonly texts: readonly string[]
  /** Columns of the primary key, for people. */
  readonly named: readonly string[]
}

/** Tables with rows of their own: no virtual ones, and no parts of virtual ones. By name. */
export const tablesIn = (
  database: DatabaseSync,
): readonly { readonly name: string; readonly hasRowids: boolean }[] =>
  database
    .prepare("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    .all()
    .map(({ name, wr }) => ({ name: String(name), hasRowids: wr !== 1 }))
    .filter(({ name }) => !name.startsWith('sqlite_'))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))

export const isEmpty = (database: DatabaseSync, name: string): boolean =>
  database.prepare(`SELECT 1 FROM ${quote(name)} LIMIT 1`).get() === undefined

export function shapeOf(database: DatabaseSync, name: string, hasRowids: boolean): Shape {
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
  return {
    name,
    keys: hasRowids ? ['rowid'] : named,
    texts: columns.filter(({ text }) => text).map(({ column }) => column),
    named,
  }
}

export const hasColumn = (database: DatabaseSync, table: string, column: string): boolean =>
  database.prepare('SELECT 1 FROM pragma_table_xinfo(?) WHERE name = ?').get(table, column) !==
  undefined

/** Columns that must differ from row to row. */
export function uniqueIn(database: DatabaseSync, { name, named }: Shape): ReadonlySet<string> {
  const indexed = database
    .prepare(
      'SELECT c.name FROM pragma_index_list(?) AS i JOIN pragma_index_info(i.name) AS c WHERE i."unique" = 1',
    )
    .all(name)
    .map((row) => String(row['name']))
  return new Set([...named, ...indexed])
}

/** As many rows are looked at in one go at first; then as many as take about a hundredth of a second. */
const STRETCH_ROWS = 128
const STRETCH_MS = 10

/**
 * Those rows in which a visit may find something, in no particular order, and undefined after each stretch. SQLite
 * passes over the others by itself.
 */
export function* rowsToVisit(
  database: DatabaseSync,
  shape: Shape,
  table: Table,
  columns: readonly string[],
  walk: Walk,
): Generator<Row | undefined> {
  const { name, keys } = shape
  const filter = filterOf(table, columns, marksOf(walk.rules))
  const picked = [
    ...keys.map((key, i) => `${quote(key)} AS "~key${i}"`),
    ...new Set([
      ...shape.named,
      ...columns,
      ...Object.keys(table.columns).filter((c) => shape.texts.includes(c)),
    ]),
  ].map((one) => (one.includes(' AS ') ? one : quote(one)))
  const select = `SELECT ${picked.join(', ')} FROM ${quote(name)} WHERE (${filter.sql})`
  const isOrdered = keys.length === 1 && keys[0] === 'rowid'
  if (!isOrdered || isIndexed(database, select, filter.values)) {
    yield* database.prepare(select).iterate(...filter.values) as Iterable<Row>
    return
  }
  const edge = database.prepare(
    `SELECT rowid AS edge FROM ${quote(name)} WHERE rowid > ? ORDER BY rowid LIMIT 1 OFFSET ?`,
  )
  edge.setReadBigInts(true)
  const stretch = database.prepare(`${select} AND rowid > ? AND rowid <= ?`)
  let rows = STRETCH_ROWS
  for (let from = SMALLEST, to: bigint | undefined = SMALLEST; to !== undefined; from = to) {
    const since = performance.now()
    to = edge.get(from, rows)?.['edge'] as bigint | undefined
    yield* stretch.iterate(...filter.values, from, to ?? LARGEST) as Iterable<Row>
    if (to === undefined) return
    rows = performance.now() - since < STRETCH_MS ? rows * 2 : Math.max(1, rows >> 1)
    yield undefined
  }
}

/** No row has the first of these, and none needs to come after the second. */
const SMALLEST = -(2n ** 63n)
const LARGEST = 2n ** 63n - 1n

/** An index that holds all that is asked for is a small part of its table: the table is not read. */
function isIndexed(database: DatabaseSync, select: string, values: readonly SQLInputValue[]) {
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${select}`).all(...values)
  return plan.some(({ detail }) => /COVERING INDEX/.test(String(detail)))
}

interface Filter {
  readonly sql: string
  readonly values: readonly string[]
}

/** Exact: what it passes over holds nothing that a visit would find. */
function filterOf(table: Table, columns: readonly string[], marks: readonly string[]): Filter {
  const parts = columns.map((column) => {
    const how = howOf(table, column)
    if (how === 'path') return { sql: `substr(${quote(column)}, 1, 1) IN ('/', '~')`, values: [] }
    if (!isOfRoots(how)) return undefined
    // A letter escaped in JSON may be any of them.
    const values = [...marks, String.raw`\u`]
    return { sql: values.map(() => `instr(${quote(column)}, ?) > 0`).join(' OR '), values }
  })
  if (!parts.every((part) => part !== undefined)) return { sql: '1', values: [] }
  return {
    sql: parts.map(({ sql }) => sql).join(' OR '),
    values: parts.flatMap(({ values }) => values),
  }
}

/** Only paths under a root matter here, wherever they stand. */
function isOfRoots(how: Table['columns'][string]): boolean {
  if (typeof how === 'function') return false
  if (typeof how === 'string') return OF_ROOTS.has(how)
  return how.all !== undefined && (OF_ROOTS.has(how.all) || how.secret === true)
}

const OF_ROOTS = new Set<As>(['derived', 'prose', 'paths', 'guess', 'loose'])

export const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
