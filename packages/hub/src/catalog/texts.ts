/** A list of any length as one value, for a database takes only so many of them in a statement. */
import { type RawBuilder, sql } from 'kysely'
import type { Database } from './schema.ts'
import { isPostgres } from './steps/take.ts'

/** A query of one column, to stand behind `in`. */
export function textsIn(db: Database, texts: readonly string[]): RawBuilder<string> {
  const list = JSON.stringify(texts)
  return isPostgres(db)
    ? sql`select json_array_elements_text(${list}::json)`
    : sql`select value from json_each(${list})`
}
