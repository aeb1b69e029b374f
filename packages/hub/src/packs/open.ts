/** Where this hub keeps its packs: in its data directory, or in a bucket. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { OcmError } from '@ocm/protocol'
import type { Logger } from 'pino'
import type { Contents } from '../nodes/adopt.port.ts'
import type { Packs } from '../nodes/ports.ts'
import { openPackDirectory } from './directory.ts'
import { markedBucket, markBucket } from './mark.ts'
import { keepsVaultAgain } from './vault-again.ts'
import { type BucketKeys, type BucketPlace, writeBucketPlace } from './s3/place.ts'

export interface PacksWish {
  readonly data: string
  readonly bucket: { readonly place: BucketPlace; readonly keys: BucketKeys } | undefined
  readonly log: Logger
}

export interface OpenedPacks {
  readonly packs: Packs & Contents
  /** As people call it. */
  readonly where: string
  /** Each question takes a while: nobody is to be kept waiting for it. */
  readonly isFar: boolean
  close(): void
}

/** @throws OcmError 'packs-elsewhere', 'store-failed' */
export async function openPacks({ data, bucket, log }: PacksWish): Promise<OpenedPacks> {
  const marked = await markedBucket(data)
  if (bucket === undefined) {
    if (marked !== undefined) throw new OcmError('packs-elsewhere', { where: marked })
    const packs = await openPackDirectory(`${data}/packs`)
    return { packs, where: `${data}/packs`, isFar: false, close: () => undefined }
  }
  const where = writeBucketPlace(bucket.place)
  const { openObjectStore } = await import('./object-store.ts')
  const store = await openObjectStore({ ...bucket, spool: `${data}/spool` })
  const { abilities } = store
  log.info({ where, ...abilities }, 'packs are in a bucket')
  if (!abilities.checked) {
    log.warn('the server of the bucket does not check what arrives: each pack is read back')
  }
  if (!abilities.guarded) log.warn('the server of the bucket lets in who has another key')
  await markBucket(data, where)
  const vault = keepsVaultAgain(store, log)
  const close = () => {
    vault.stop()
    store.close()
  }
  return { packs: { ...store, keepVault: vault.keepVault }, where, isFar: true, close }
}

/**
 * A new hub would write its vault over that of whoever was here, whose backups nobody could open then; and a hub at an
 * empty place would take all that it has for lost. If it is, somebody says so with a file `packs-lost`.
 * @throws OcmError 'packs-of-another-hub', 'store-not-found'
 */
export async function checkIsOurs(
  { packs, where }: OpenedPacks,
  hub: { readonly data: string; readonly isSetUp: boolean; readonly known: number },
): Promise<void> {
  const hasVault = (await packs.vault()) !== undefined
  if (hasVault && !hub.isSetUp) throw new OcmError('packs-of-another-hub', { where })
  const lost = `${hub.data}/packs-lost`
  if (!hasVault && hub.known > 0 && !existsSync(lost)) {
    throw new OcmError('store-not-found', { what: `nothing of this hub's is in ${where}` })
  }
  await rm(lost, { force: true })
}
