/**
 * Where the hubs of tests have their catalogs: in SQLite, or with OCM_TEST_CATALOG=postgres each in a schema of its own of
 * the PostgreSQL that tests/support/postgres/for-hubs.ts has started.
 */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'

export interface TestCatalog {
  /** Undefined: in the data directory. */
  readonly catalogUrl: string | undefined
  remove(): Promise<void>
}

export const isOnPostgres = process.env['OCM_TEST_CATALOG'] === 'postgres'

export async function testCatalog(): Promise<TestCatalog> {
  if (!isOnPostgres) return { catalogUrl: undefined, remove: async () => undefined }
  const server = process.env['OCM_TEST_POSTGRES']
  if (server === undefined) throw new Error('OCM_TEST_POSTGRES names no server')
  const schema = `hub_${randomBytes(8).toString('hex')}`
  await told(server, `create schema ${schema}`)
  return {
    catalogUrl: `${server}&options=${encodeURIComponent(`-c search_path=${schema}`)}`,
    remove: () => told(server, `drop schema ${schema} cascade`),
  }
}

async function told(server: string, text: string): Promise<void> {
  const client = new Client({ connectionString: server })
  await client.connect()
  await client.query(`set client_min_messages = warning; ${text}`)
  await client.end()
}
