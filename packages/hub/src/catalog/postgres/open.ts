/** Opens the catalog in PostgreSQL: by the same numbered steps, in a database or schema of its own. */
import { join } from 'node:path'
import { sql } from 'kysely'
import { OcmError } from '@ocm/protocol'
import { type Catalog, catalogOver } from '../catalog.ts'
import { copyToSqlite } from '../carry.ts'
import { STEPS, type Steps, migrate, standing } from '../steps/all.ts'
import { oneConnection, PATIENCE, type Patience } from './connection.ts'
import { over } from './dialect.ts'

export interface PostgresWishes {
  /** postgres://..., which may hold a password. */
  readonly url: string
  /** Where a catalog of an older OCM is copied to before it is changed. */
  readonly data: string
  readonly steps?: Steps
  readonly patience?: Patience
  /** A connection was lost, and there is one again. What was answered with an error meanwhile may be done all the same. */
  readonly back?: () => void
  /** The database is set to lose what it has committed, when its machine loses its power. */
  readonly warn?: (settings: readonly string[]) => void
}

/** To go through every row there is. */
export const PATIENT: Patience = { ...PATIENCE, statement: 0, answer: 3_600_000 }

/**
 * A catalog of an older OCM is copied to the SQLite file `DATA/catalog.before-STEP.sqlite` before it is changed. All steps
 * are one transaction.
 * @throws OcmError 'catalog-failed' with `why`, 'catalog-in-use', 'wrong-use' when this is no address
 */
export async function openPostgres(wishes: PostgresWishes): Promise<Catalog> {
  const { url, data, steps = STEPS, patience = PATIENCE, back, warn } = wishes
  const upgrading = over(
    oneConnection({
      url,
      patience: { ...PATIENT, connect: patience.connect, lock: patience.lock },
    }),
  )
  try {
    const { next } = await standing(upgrading, steps)
    if (next !== undefined) {
      await copyToSqlite(upgrading, join(data, `catalog.before-${next}.sqlite`), steps)
    }
    await migrate(upgrading, steps)
    const careless = await sql<{ name: string }>`
      select name from pg_settings where name in ('fsync', 'full_page_writes') and setting = 'off'`.execute(
      upgrading,
    )
    if (careless.rows.length > 0) warn?.(careless.rows.map(({ name }) => name))
  } catch (cause) {
    throw cause instanceof OcmError ? cause : new OcmError('catalog-failed', {}, { cause })
  } finally {
    await upgrading.destroy()
  }
  const pool = oneConnection({ url, patience, ...(back && { back }) })
  const catalog = catalogOver(over(pool))
  try {
    await catalog.people.isSetUp()
  } catch (error) {
    await catalog.close()
    throw error
  }
  return catalog
}
