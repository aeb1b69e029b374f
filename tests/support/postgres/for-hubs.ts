/** Before and after the tests of the hub that have their catalogs in PostgreSQL. */
import { startPostgres } from './server.ts'

export async function setup(): Promise<() => Promise<void>> {
  // Hundreds of hubs, one after the other, of which none outlives a power cut.
  const server = await startPostgres('fsync=off', 'max_locks_per_transaction=256')
  process.env['OCM_TEST_POSTGRES'] = server.any
  return server.stop
}
