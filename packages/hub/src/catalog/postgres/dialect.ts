/** Kysely over one connection. Who takes steps asks which tables there are: in this schema, and not in those of others. */
import {
  type DatabaseIntrospector,
  Kysely,
  type KyselyConfig,
  PostgresDialect,
  type SchemaMetadata,
  sql,
  type TableMetadata,
} from 'kysely'
import type { Database, Schema } from '../schema.ts'
import type { OneConnection } from './connection.ts'

class OwnSchemaDialect extends PostgresDialect {
  // oxlint-disable-next-line typescript/no-explicit-any -- as Kysely declares it
  override createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    const getTables = async (): Promise<TableMetadata[]> => {
      const { rows } = await sql<{ name: string; schema: string }>`
        select tablename as name, schemaname as schema from pg_tables
        where schemaname = current_schema()`.execute(db)
      return rows.map((row) => ({ ...row, isView: false, isForeign: false, columns: [] }))
    }
    return {
      getTables,
      async getSchemas(): Promise<SchemaMetadata[]> {
        const { rows } = await sql<SchemaMetadata>`select current_schema() as name`.execute(db)
        return rows
      },
    }
  }
}

export const over = (pool: OneConnection, more: Pick<KyselyConfig, 'log'> = {}): Database =>
  new Kysely<Schema>({ dialect: new OwnSchemaDialect({ pool }), ...more })
