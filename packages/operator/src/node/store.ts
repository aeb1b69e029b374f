/** Reads what lies beside the packs in a store's directory. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import type { StoreFiles } from '../out/store.ts'

/**
 * @param root the directory of packs, or the hub's data directory around it.
 * @throws OcmError 'store-not-found'
 */
export async function readStore(
  root: string,
): Promise<{ readonly root: string; readonly files: StoreFiles }> {
  for (const at of [root, join(root, 'packs')]) {
    const vault = await namesIn(join(at, 'vault'))
    if (vault.length > 0) return { root: at, files: await filesOf(at, vault) }
  }
  throw new OcmError('store-not-found', { what: 'no vault/ in it' })
}

async function filesOf(root: string, vault: readonly string[]): Promise<StoreFiles> {
  const inVault = (name: string) => readFile(join(root, 'vault', name))
  const slots = vault.filter((name) => name.startsWith('slot-'))
  const epochs = vault.filter((name) => /^epoch-\d{1,9}$/.test(name))
  const headers = (await namesIn(join(root, 'snapshots'))).filter((name) =>
    /^[0-9a-f]{64}$/.test(name),
  )
  return {
    record: vault.includes('record') ? await inVault('record') : undefined,
    slots: await Promise.all(slots.map(inVault)),
    epochs: new Map(
      await Promise.all(
        epochs.map(
          async (name) => [Number(name.slice('epoch-'.length)), await inVault(name)] as const,
        ),
      ),
    ),
    headers: new Map(
      await Promise.all(
        headers.map(
          async (name) => [name, await contentOf(join(root, 'snapshots', name))] as const,
        ),
      ),
    ),
  }
}

/** Of a header that cannot be read nothing is left, which no signature fits: it is listed as damaged. */
async function contentOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['EIO', 'EACCES', 'EISDIR'].includes(code)) return new Uint8Array(0)
    throw error
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).toSorted()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw new OcmError('store-not-found', { what: `it cannot be read (${code})` }, { cause: error })
  }
}
