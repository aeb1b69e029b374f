/** The key that delegations are sealed to. It lies on the hub's disk: that is what a delegation gives up. */
import type { Primitives } from '@ocm/protocol'
import { readSecretIfThere, writeDurably } from './durable.ts'

export interface DelegateKey {
  readonly file: string
  readonly public: Uint8Array
}

/** @throws OcmError 'store-failed' when it cannot be read */
export async function delegateKey(p: Primitives, data: string): Promise<DelegateKey> {
  const file = `${data}/keys/delegation.key`
  const kept = await readSecretIfThere(file)
  const pair = p.x25519Pair(kept)
  if (!kept) await writeDurably(file, pair.secret)
  pair.secret.fill(0)
  return { file, public: pair.public }
}
