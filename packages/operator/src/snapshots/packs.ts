/** Reading out of stored packs with the vault's key. */
import { type ExtentRef, type ManifestRoot, OcmError } from '@ocm/protocol'
import type { Ports, Unlocked } from '../vault/unlock.ts'

export interface Packs {
  /** The bytes that an extent refers to. @throws OcmError 'pack-missing', 'pack-damaged' */
  read(extent: ExtentRef): Promise<Uint8Array>
  /** Keys of packs, in the order of `ids`. */
  keys(ids: readonly Uint8Array[]): Promise<readonly Uint8Array[]>
}

export function openPacks(_ports: Ports, _unlocked: Unlocked, _root: ManifestRoot): Packs {
  return { read: notYet, keys: notYet }
}

const notYet = () => Promise.reject(new OcmError('internal'))
