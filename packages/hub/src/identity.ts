/** The two files by which a hub is known: its identity, and the set-up link while there is no operator. */
import { base64url, type KeyPair, type Primitives, utf8 } from '@ocm/protocol'
import { readIfThere, readSecretIfThere, removeDurably, writeDurably } from './durable.ts'

/** @throws OcmError 'store-failed' when the key cannot be read */
export async function hubIdentity(p: Primitives, data: string): Promise<KeyPair> {
  const path = `${data}/keys/hub.key`
  const seed = await readSecretIfThere(path)
  if (seed) return p.ed25519Pair(seed)
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
  const bytes = await readIfThere(path)
  const kept = bytes && Buffer.from(bytes).toString().trim()
  const secret = kept !== undefined && kept.length >= 43 ? kept : base64url(p.random(32))
  if (secret !== kept) await writeDurably(path, `${secret}\n`)
  return { secret, hash: p.sha256(utf8(secret)), close: () => removeDurably(path) }
}

/** For a hub that is set up: no link lies about, also when the hub died right after set-up. */
export const removeSetupLink = (data: string): Promise<void> => removeDurably(`${data}/setup-link`)
