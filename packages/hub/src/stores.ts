/** The catalog and the packs of this hub, wherever they are, and that they belong together. */
import type { Logger } from 'pino'
import type { Catalog } from './catalog/catalog.ts'
import { openCatalog } from './catalog/open.ts'
import { checkPlace, notePlace, sqliteFile } from './catalog/place.ts'
import { openPostgres } from './catalog/postgres/open.ts'
import { adoptsAhead, looksAhead } from './packs/ahead.ts'
import { type OpenedPacks, type PacksWish, checkIsOurs, openPacks } from './packs/open.ts'

export interface StoresWish {
  readonly data: string
  /** Undefined: packs are in the data directory. */
  readonly bucket: PacksWish['bucket']
  /** Of the PostgreSQL that has the catalog; undefined: it is in the data directory. */
  readonly catalogUrl: string | undefined
  /** A connection to the catalog was lost, and there is one again. */
  readonly back: () => void
  readonly log: Logger
}

export interface Stores
  extends Pick<Catalog, 'snapshots' | 'adopting'>, Pick<OpenedPacks, 'packs'> {
  readonly catalog: Catalog
  closeStores(): Promise<void>
}

/** @throws OcmError 'catalog-failed', 'catalog-in-use', 'catalog-elsewhere', 'store-failed', 'store-not-found', 'packs-elsewhere', 'packs-of-another-hub' */
export async function openStores(wish: StoresWish): Promise<Stores> {
  const { data, bucket, log } = wish
  const opened = await openPacks({ data, bucket, log })
  let catalog: Catalog | undefined
  const closeStores = async () => {
    await catalog?.close()
    opened.close()
  }
  try {
    catalog = await catalogOf(wish)
    const { live, tombstoned } = await catalog.keeping.packCounts()
    await checkIsOurs(opened, {
      data,
      isSetUp: (await catalog.vault.root()) !== undefined,
      known: live.packs + tombstoned.packs,
    })
    const { isFar, packs } = opened
    return {
      catalog,
      packs,
      snapshots: isFar ? looksAhead(catalog.snapshots) : catalog.snapshots,
      adopting: isFar ? adoptsAhead(catalog.adopting) : catalog.adopting,
      closeStores,
    }
  } catch (error) {
    await closeStores()
    throw error
  }
}

async function catalogOf({ data, catalogUrl: url, back, log }: StoresWish): Promise<Catalog> {
  const place = url === undefined ? 'sqlite' : 'postgres'
  checkPlace(data, place)
  const warn = (off: readonly string[]) =>
    log.warn({ off }, 'PostgreSQL may lose what it has committed')
  const catalog =
    url === undefined
      ? await openCatalog(sqliteFile(data))
      : await openPostgres({ url, data, back, warn })
  await notePlace(data, place)
  return catalog
}
