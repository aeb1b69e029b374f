import { mkdtemp, rm } from 'node:fs/promises'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  startPostgres,
  type TestPostgres,
  whyNoPostgres,
} from '../../../../../tests/support/postgres/server.ts'
import { openCatalog } from '../open.ts'
import { copyIntoPostgres, copyOutOfPostgres } from './copies.ts'
import { openPostgres } from './open.ts'

const why = whyNoPostgres()

/** What a column is not free to say. */
const ALLOWED: Readonly<Record<string, readonly (string | number | null)[]>> = {
  'vault.id': [1],
  'keeping.id': [1],
  'nodes.state': ['active', 'quarantined', 'revoked'],
  'packs.state': ['live', 'tombstoned', 'deleting'],
  'packs.damage': ['damaged', 'missing', null],
  'jobs.state': ['queued', 'running', 'waiting', 'done', 'failed', 'cancelled'],
  'jobs.unfenced': ['attested', 'owed', 'fenced', null],
}
const NUMBERS = [0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 1_800_000_000_123]
const TEXTS = [
  '',
  ' ',
  'it\'s "quoted" \\ $1 :x',
  'Zoë 🦞 日本\u0301\r\n\t',
  'Ä',
  'z',
  'NULL',
  '\\x00',
]
const BLOBS = [
  new Uint8Array(),
  Uint8Array.from({ length: 256 }, (_, byte) => byte),
  new Uint8Array(5000).fill(92),
]

const all = (database: DatabaseSync, text: string, ...values: SQLInputValue[]) =>
  database.prepare(text).all(...values) as Record<string, SQLInputValue>[]

const tablesOf = (database: DatabaseSync) =>
  all(database, "select name from sqlite_master where type = 'table'").map(({ name }) =>
    String(name),
  )

/** Rows in every table, of what its columns can hold. Those that are referred to come first. */
function fill(database: DatabaseSync): void {
  database.exec('pragma foreign_keys = on; delete from keeping')
  const waiting = new Set(tablesOf(database).filter((name) => !name.startsWith('kysely')))
  while (waiting.size > 0) {
    for (const table of waiting) {
      const links = all(database, 'select * from pragma_foreign_key_list(?)', table)
      if (links.some(({ table: to }) => to !== table && waiting.has(String(to)))) continue
      fillTable(database, table, links)
      waiting.delete(table)
    }
  }
}

function fillTable(
  database: DatabaseSync,
  table: string,
  links: readonly Record<string, SQLInputValue>[],
): void {
  const columns = all(database, 'select * from pragma_table_info(?)', table)
  const isOne = ALLOWED[`${table}.id`] !== undefined
  const names = columns.map(({ name }) => `"${name}"`).join(', ')
  const marks = columns.map(() => '?').join(', ')
  const insert = database.prepare(`insert into "${table}" (${names}) values (${marks})`)
  const parents = links.map(({ table: to, from, to: at, id }) => ({ to, from, at, id }))
  for (let row = 0; row < (isOne ? 1 : 130); row++) {
    const valueOf = ({ name, type, notnull, pk }: Record<string, SQLInputValue>): SQLInputValue => {
      const parent = parents.find(({ from }) => from === name)
      if (parent) {
        // Both parts of one key are of one row.
        const key = all(
          database,
          `select "${parent.at}" as key from "${parent.to}" limit 1 offset ${row}`,
        )
        return key[0]?.['key'] ?? null
      }
      const allowed = ALLOWED[`${table}.${name}`]
      if (allowed) return allowed[row % allowed.length] ?? null
      if (notnull === 0 && pk === 0 && row % 3 === 0) return null
      const isUnique = pk !== 0 || ['key', 'hash', 'name_key', 'seq'].includes(String(name))
      if (type === 'INTEGER') return isUnique ? row * 7 + 1 : (NUMBERS[row % NUMBERS.length] ?? 0)
      if (type === 'BLOB') return BLOBS[row % BLOBS.length] ?? null
      const text = TEXTS[row % TEXTS.length] ?? ''
      return isUnique ? `${text}${row}` : text
    }
    insert.run(...columns.map(valueOf))
  }
  // One that refers to a row which comes later.
  for (const { from, at } of parents.filter(({ to }) => to === table)) {
    database.exec(`update "${table}" set "${from}" = (select max("${at}") from "${table}")`)
  }
}

function rowsOf(file: string): ReadonlyMap<string, unknown> {
  const database = new DatabaseSync(file, { readOnly: true })
  const found = tablesOf(database).map((table): [string, unknown] => {
    const columns = all(database, 'select name from pragma_table_info(?)', table)
    // As SQLite would write it: of which kind it is can be seen.
    const values = columns.map(({ name }) => `quote("${name}")`).join(` || ', ' || `)
    const what = table === 'kysely_migration' ? 'name' : values
    return [table, all(database, `select ${what} as row from "${table}" order by 1`)]
  })
  database.close()
  return new Map(found)
}

let server: TestPostgres
let ground: string
let schemas = 0

async function emptyPlace(): Promise<string> {
  const schema = `copies_${++schemas}`
  await server.sql(`create schema ${schema}`)
  return server.local(schema)
}

describe.skipIf(why)(`copies of PostgreSQL${why === undefined ? '' : `: ${why}`}`, () => {
  beforeAll(async () => {
    server = await startPostgres('fsync=off')
    ground = await mkdtemp(`${tmpdir()}/ocm-postgres-copies-`)
    await (await openCatalog(`${ground}/first`)).close()
    const database = new DatabaseSync(`${ground}/first`)
    database.exec('begin')
    fill(database)
    database.exec('commit')
    database.close()
  })
  afterAll(async () => {
    await server?.stop()
    await rm(ground, { recursive: true, force: true })
  })

  test('every value of every table is the same when it went into PostgreSQL and out again', async () => {
    const before = rowsOf(`${ground}/first`)
    expect([...before.values()].filter((rows) => (rows as unknown[]).length === 0)).toEqual([])
    const url = await emptyPlace()
    await copyIntoPostgres(url, `${ground}/first`)
    await copyOutOfPostgres(url, `${ground}/second`)
    const after = rowsOf(`${ground}/second`)
    expect([...after.keys()].toSorted()).toEqual([...before.keys()].toSorted())
    for (const [table, rows] of before) expect([table, after.get(table)]).toEqual([table, rows])

    // And a hub goes on with it, numbers too.
    const { audit, jobs, close } = await openPostgres({ url, data: ground })
    await audit.note({ at: 1, actor: 'ada', action: 'login', subject: 'x' })
    expect(await audit.newest(1)).toMatchObject([{ actor: 'ada' }])
    const job = await server.sql(`select id from copies_${schemas}.jobs where id like 'z%' limit 1`)
    await jobs.addLog(job, 5, new Uint8Array([7]))
    expect((await jobs.log(job)).at(-1)).toEqual({ at: 5, sealed: new Uint8Array([7]) })
    await close()
  })

  test('nothing is put where something is, and what was cut off is taken up again', async () => {
    const url = await emptyPlace()
    await expect(copyOutOfPostgres(url, `${ground}/none`)).rejects.toMatchObject({
      code: 'store-not-found',
    })
    const broken = new DatabaseSync(`${ground}/broken`)
    broken.exec(`attach '${ground}/first' as f`)
    broken.close()
    // The tables are there, the rows are not: the text is one that PostgreSQL does not take.
    await copyOf('broken', "update nodes set label = 'a' || char(0) || 'b'")
    await expect(copyIntoPostgres(url, `${ground}/broken`)).rejects.toMatchObject({
      code: 'malformed',
    })
    await copyIntoPostgres(url, `${ground}/first`)
    await expect(copyIntoPostgres(url, `${ground}/first`)).rejects.toMatchObject({
      code: 'target-not-empty',
    })
    const foreign = await emptyPlace()
    await server.sql(`create table copies_${schemas}.theirs (x int)`)
    await expect(copyIntoPostgres(foreign, `${ground}/first`)).rejects.toMatchObject({
      code: 'target-not-empty',
    })
  })

  test('a catalog of a newer OCM is not taken apart', async () => {
    await copyOf('newer', "insert into kysely_migration values ('9999-newer', '')")
    await expect(copyIntoPostgres(await emptyPlace(), `${ground}/newer`)).rejects.toMatchObject({
      code: 'version-unsupported',
    })
  })
})

/** The filled catalog, changed. */
async function copyOf(name: string, change: string): Promise<void> {
  await rm(`${ground}/${name}`, { force: true })
  const database = new DatabaseSync(`${ground}/first`)
  database.prepare('vacuum into ?').run(`${ground}/${name}`)
  database.close()
  const copy = new DatabaseSync(`${ground}/${name}`)
  copy.exec(change)
  copy.close()
}
