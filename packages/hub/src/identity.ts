/** The two files by which a hub is known: its identity, and the set-up link while there is no operator. */
import { chmod, readFile, stat } from 'node:fs/promises'
import { base64url, type KeyPair, OcmError, type Primitives, utf8 } from '@ocm/protocol'
import { removeDurably, writeDurably } from './packs/durable.ts'

/** @throws OcmError 'store-failed' when the key cannot be read or is open to others */
export async function hubIdentity(p: Primitives, data: string): Promise<KeyPair> {
  const path = `${data}/keys/hub.key`
  const seed = await readIfThere(path)
  if (seed) {
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600)
    return p.ed25519Pair(new Uint8Array(seed))
  }
  const made = p.ed25519Pair()
  await writeDurably(path, made.secret)
  return made
}

export interface SetupLink {
  readonly secret: string
  readonly hash: Uint8Array
  close(): Promise<void>
}

/** The link's secret has 256 bits. It lies in a file of its own so that every start before set-up prints the same one. */
export async function setupLink(p: Primitives, data: string): Promise<SetupLink> {
  const path = `${data}/setup-link`
  const kept = (await readIfThere(path))?.toString('utf8').trim()
  const secret = kept !== undefined && kept.length >= 43 ? kept : base64url(p.random(32))
  if (secret !== kept) await writeDurably(path, `${secret}\n`)
  return { secret, hash: p.sha256(utf8(secret)), close: () => removeDurably(path) }
}

/** For a hub that is set up: no link lies about, also when the hub died right after set-up. */
export const removeSetupLink = (data: string): Promise<void> => removeDurably(`${data}/setup-link`)

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new OcmError('store-failed', {}, { cause })
  }
}
