/**
 * Where the catalog of a data directory is. A hub that looked in the wrong place would find nothing, take itself for new,
 * and let in whoever has its set-up link.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { writeDurably } from '../durable.ts'

export const sqliteFile = (data: string): string => join(data, 'catalog.sqlite')
const mark = (data: string) => join(data, 'catalog-in-postgres')

export type Place = 'sqlite' | 'postgres'

/** @throws OcmError 'catalog-elsewhere' */
export function checkPlace(data: string, place: Place): void {
  const isInFile = existsSync(sqliteFile(data))
  if (place === 'postgres' && isInFile) throw new OcmError('catalog-elsewhere', { where: 'sqlite' })
  if (place === 'sqlite' && !isInFile && existsSync(mark(data))) {
    throw new OcmError('catalog-elsewhere', { where: 'postgres' })
  }
}

export async function notePlace(data: string, place: Place): Promise<void> {
  if (place === 'sqlite' || existsSync(mark(data))) return
  await writeDurably(mark(data), 'The catalog of this hub is in PostgreSQL (--catalog-url-file).\n')
}
