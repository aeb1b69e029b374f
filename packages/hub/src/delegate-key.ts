/** The key that delegations are sealed to. It lies on the hub's disk: that is what a delegation gives up. */
import { readFile } from 'node:fs/promises'
import type { Primitives } from '@ocm/protocol'
import { writeDurably } from './packs/durable.ts'

export interface DelegateKey {
  readonly file: string
  readonly public: Uint8Array
}

export async function delegateKey(p: Primitives, data: string): Promise<DelegateKey> {
  const file = `${data}/keys/delegation.key`
  const kept = await readFile(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  const pair = p.x25519Pair(kept && new Uint8Array(kept))
  if (!kept) await writeDurably(file, pair.secret)
  pair.secret.fill(0)
  return { file, public: pair.public }
}
