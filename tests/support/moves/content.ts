/** What a node is made of, by value: files by their bytes, databases by their rows. */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const MAGIC = 'SQLite format 3\0'

const sum = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex').slice(0, 16)

/** By path, each byte a character, and by `path table` for what lies in a database. Names need not be text. */
export function contentOf(folder: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const visit = (inside: string) => {
    const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(inside, 'latin1')])
    const stat = lstatSync(path)
    const mode = (stat.mode & 0o7777).toString(8)
    if (stat.isSymbolicLink())
      found.set(inside, `link ${readlinkSync(path, { encoding: 'latin1' })}`)
    else if (stat.isDirectory()) {
      found.set(`${inside}/`, mode)
      for (const name of readdirSync(path, { encoding: 'latin1' })) visit(join(inside, name))
    } else if (stat.isFile() && !/-(?:wal|shm)$/.test(inside)) {
      const bytes = readFileSync(path)
      if (bytes.subarray(0, MAGIC.length).toString('latin1') === MAGIC) {
        found.set(inside, `${mode} database`)
        for (const [table, rows] of tablesOf(path)) found.set(`${inside} ${table}`, rows)
      } else found.set(inside, `${mode} ${sum(bytes)}`)
    }
  }
  visit('')
  return found
}

/** Of a table in which OpenClaw also notes when it last looked whether there is something to migrate: the rest. */
const WHAT: Readonly<Record<string, string>> = {
  schema_meta:
    "meta_key, role, schema_version, agent_id, iif(meta_key = 'primary', app_version, NULL)",
}

function* tablesOf(path: Buffer): Generator<readonly [string, string]> {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = database
      .prepare(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
      )
      .all()
    for (const { name, sql } of tables) {
      // Its rows lie in tables of its own, which are looked at too.
      if (/^CREATE VIRTUAL/i.test(String(sql))) continue
      const rows = database
        .prepare(`SELECT ${WHAT[String(name)] ?? '*'} FROM "${String(name)}"`)
        .all()
      const lines = rows.map((row) => JSON.stringify(Object.values(row), plain)).toSorted()
      yield [String(name), `${lines.length} rows ${sum(lines.join('\n'))}`]
    }
    yield ['schema', sum(JSON.stringify(tables.map(({ sql }) => sql).toSorted()))]
  } finally {
    database.close()
  }
}

const plain = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString('hex')
    : typeof value === 'bigint'
      ? String(value)
      : value

/** Places that are not the same in both, but for those that `isBookkeeping` names. */
export function unequal(
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
  isBookkeeping: (place: string) => boolean,
): readonly string[] {
  const places = [...new Set([...a.keys(), ...b.keys()])].toSorted()
  return places
    .filter((place) => a.get(place) !== b.get(place) && !isBookkeeping(place))
    .map((place) => `${place}: ${a.get(place) ?? 'nothing'} became ${b.get(place) ?? 'nothing'}`)
}
