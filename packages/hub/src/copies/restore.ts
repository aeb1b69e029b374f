/** `ocm-hub restore`: a data directory out of a copy. It gets its name when everything in it is on the disk. */
import { existsSync } from 'node:fs'
import { open, readdir, rename, rm, rmdir, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'
import { notePlace, sqliteFile } from '../catalog/place.ts'
import { copyIntoPostgres } from '../catalog/postgres/copies.ts'
import { makeDirectory, syncDirectory, unfinishedName } from '../durable.ts'
import { isBucket, markBucket } from '../packs/mark.ts'
import { type About, readArchive } from './archive.ts'

export interface RestoreWish {
  readonly file: string
  /** Empty, or not there yet. */
  readonly data: string
  /** Where the packs lie, when they are not in the copy; linked to. */
  readonly packs?: string
  /** Of a PostgreSQL without a hub in it, which takes the catalog; undefined: it is in the data directory. */
  readonly catalogUrl?: string | undefined
}

export interface RestoreReport extends About {
  readonly files: number
  /** Packs that the catalog knows and that are not in the new directory. */
  readonly missing: number
  /** The bucket that they are in. */
  readonly bucket: string | undefined
}

/** @throws OcmError 'target-not-empty', 'copy-unusable', 'store-not-found', 'catalog-failed', 'store-failed' */
export async function restoreHub({
  file,
  data,
  packs,
  catalogUrl,
}: RestoreWish): Promise<RestoreReport> {
  if (existsSync(data) && (await readdir(data)).length > 0) throw new OcmError('target-not-empty')
  const reading = readArchive(file)
  const unfinished = unfinishedName(data)
  try {
    checkPlaces(reading.paths, packs)
    await makeDirectory(unfinished)
    if (packs !== undefined) await linkTo(packs, join(unfinished, 'packs'))
    // The store that is there is newer than the copy: what opens its vault and signs its snapshots is there too.
    const wanted = reading.paths.filter((path) => packs === undefined || !path.startsWith('packs/'))
    for (const path of wanted) {
      await makeDirectory(dirname(join(unfinished, path)))
      const handle = await open(join(unfinished, path), 'wx', 0o600)
      try {
        await reading.write(path, handle)
        await handle.sync()
      } finally {
        await handle.close()
      }
    }
    for (const folder of new Set(wanted.map(dirname))) await syncDirectory(join(unfinished, folder))
    const { packs: where } = reading.about
    const isFar = packs === undefined && isBucket(where)
    if (isFar) await markBucket(unfinished, where)
    const missing = isFar ? 0 : countMissing(unfinished)
    if (catalogUrl !== undefined) await handOver(unfinished, catalogUrl)
    if (existsSync(data)) await rmdir(data)
    await rename(unfinished, data)
    await syncDirectory(dirname(data))
    return { ...reading.about, files: wanted.length, missing, bucket: isFar ? where : undefined }
  } catch (cause) {
    throw cause instanceof OcmError ? cause : new OcmError('store-failed', {}, { cause })
  } finally {
    reading.close()
    await rm(unfinished, { recursive: true, force: true })
  }
}

const PLACES =
  /^(?:catalog\.sqlite|(?:keys|releases|packs\/(?:[0-9a-f]{2}|vault|snapshots))\/[\w-][\w.-]*)$/

/** Nothing is written beside the directory, whoever made the copy. @throws OcmError 'copy-unusable' */
function checkPlaces(paths: readonly string[], packs: string | undefined): void {
  if (!paths.includes('catalog.sqlite') || !paths.every((path) => PLACES.test(path)))
    throw new OcmError('copy-unusable')
  if (packs !== undefined && !existsSync(join(packs, 'vault'))) {
    throw new OcmError('store-not-found', { what: 'no vault/ in the directory of --packs' })
  }
}

/** The database first: a data directory that is there has its catalog. */
async function handOver(data: string, catalogUrl: string): Promise<void> {
  const file = sqliteFile(data)
  await copyIntoPostgres(catalogUrl, file)
  await rm(file)
  await notePlace(data, 'postgres')
}

const linkTo = (packs: string, path: string) => symlink(resolve(packs), path)

function countMissing(data: string): number {
  const catalog = new DatabaseSync(sqliteFile(data), { readOnly: true })
  try {
    let missing = 0
    for (const { id } of catalog.prepare('select distinct id from packs').iterate()) {
      if (!existsSync(join(data, 'packs', String(id).slice(0, 2), String(id)))) missing++
    }
    return missing
  } finally {
    catalog.close()
  }
}
