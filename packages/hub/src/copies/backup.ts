/**
 * `ocm-hub backup`: the hub in one file, while it runs. The catalog first, as of one moment; then what only grows. So
 * whatever the catalog refers to is there, but for packs that nobody needed any more and that went meanwhile; and headers
 * that came after it are taken up by whoever starts with the copy (nodes/adopt.ts).
 */
import { existsSync } from 'node:fs'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync, backup as copyDatabase } from 'node:sqlite'
import { OcmError, VERSION } from '@ocm/protocol'
import { checkPlace, sqliteFile } from '../catalog/place.ts'
import { copyOutOfPostgres } from '../catalog/postgres/copies.ts'
import { UNFINISHED, isMissing } from '../durable.ts'
import { markedBucket } from '../packs/mark.ts'
import { type Writing, writeArchive } from './archive.ts'

export interface BackupWish {
  /** The data directory of a hub, whether it runs or not. */
  readonly data: string
  /** Of the PostgreSQL that has the catalog; undefined: it is in the data directory. */
  readonly catalogUrl?: string | undefined
  readonly file: string
  readonly withPacks: boolean
  readonly now: number
}

export interface BackupReport {
  readonly files: number
  /** How many of them are packs. */
  readonly packs: number
  /** Where the others are. */
  readonly elsewhere: string | null
}

/** @throws OcmError 'store-not-found', 'catalog-elsewhere', 'catalog-failed', 'target-not-empty', 'wrong-use', 'store-failed' */
export async function backupHub(wish: BackupWish): Promise<BackupReport> {
  const { data, catalogUrl, file, withPacks, now } = wish
  checkPlace(data, catalogUrl === undefined ? 'sqlite' : 'postgres')
  if (!existsSync(catalogUrl === undefined ? sqliteFile(data) : join(data, 'keys'))) {
    throw new OcmError('store-not-found', { what: 'no catalog of a hub in this directory' })
  }
  if (existsSync(file)) throw new OcmError('target-not-empty')
  const bucket = await markedBucket(data)
  if (bucket !== undefined && withPacks) {
    throw new OcmError('wrong-use', {
      what: `The packs are in ${bucket}: copy them as other buckets are copied, without --with-packs`,
    })
  }
  const packs = withPacks ? null : (bucket ?? join(data, 'packs'))
  const about = { version: VERSION, madeAt: now, packs }
  await removeLeftovers(file)
  const scratch = await mkdtemp(join(dirname(file), SCRATCH + process.pid + '-'))
  let writing: Writing | undefined
  try {
    const catalog = join(scratch, 'catalog.sqlite')
    if (catalogUrl === undefined) await copyOf(sqliteFile(data), catalog)
    else await copyOutOfPostgres(catalogUrl, catalog)
    writing = writeArchive(file, about)
    await addFile(writing, 'catalog.sqlite', catalog)
    const kept = await filesIn(data, withPacks)
    for (const path of kept) await addFile(writing, path, join(data, path))
    await writing.finish()
    writing = undefined
    const copied = kept.filter((path) => isPack(path)).length
    return { files: kept.length + 1, packs: copied, elsewhere: packs }
  } catch (cause) {
    throw cause instanceof OcmError ? cause : new OcmError('store-failed', {}, { cause })
  } finally {
    writing?.abandon()
    await rm(scratch, { recursive: true, force: true })
  }
}

const SCRATCH = '.ocm-backup-'

/** What a backup that was killed left behind holds the hub's keys: it goes with the next one, when its process is no more. */
async function removeLeftovers(file: string): Promise<void> {
  const folder = dirname(file)
  for (const name of await readdir(folder)) {
    const pid = /^\.ocm-backup-(\d+)-/.exec(name)?.[1]
    const isOurs = name.startsWith(`${basename(file)}${UNFINISHED}`)
    if (isOurs || (pid !== undefined && !existsSync(`/proc/${pid}`))) {
      await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}

/** As of one moment, whatever is written to it meanwhile; and whole, or it is not taken for a copy. */
async function copyOf(catalog: string, to: string): Promise<void> {
  const source = new DatabaseSync(catalog, { readOnly: true, timeout: 5000 })
  try {
    await copyDatabase(source, to)
  } finally {
    source.close()
  }
  const copy = new DatabaseSync(to)
  try {
    // A copy that travels alone: no log beside it.
    copy.exec('pragma journal_mode = delete')
    const said = Object.values(copy.prepare('pragma quick_check').get() ?? {})[0]
    if (said !== 'ok') throw new OcmError('catalog-failed')
  } finally {
    copy.close()
  }
}

async function addFile(writing: Writing, path: string, from: string): Promise<void> {
  const handle = await openIfThere(from)
  if (!handle) return
  try {
    await writing.add(path, handle)
  } finally {
    await handle.close()
  }
}

/** A pack that nobody needs any more, a slot that was replaced: they may go while this is made. */
async function openIfThere(path: string) {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const isPack = (path: string) => /^packs\/[0-9a-f]{2}\/[0-9a-f]{64}$/.test(path)

/** What the hub is: its keys, what opens the vault, the signed headers, what it offers to agents; and packs when asked. */
async function filesIn(data: string, withPacks: boolean): Promise<readonly string[]> {
  const found: string[] = []
  // Headers last: one that is there then has its packs listed before, if packs are taken along.
  const folders = [
    'keys',
    ...(withPacks ? shelves() : []),
    'releases',
    'packs/vault',
    'packs/snapshots',
  ]
  for (const folder of folders) {
    const path = join(data, folder)
    if (!existsSync(path)) continue
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isFile() && !entry.name.includes(UNFINISHED)) found.push(`${folder}/${entry.name}`)
    }
  }
  return found
}

const shelves = () =>
  Array.from({ length: 256 }, (_, n) => `packs/${n.toString(16).padStart(2, '0')}`)
