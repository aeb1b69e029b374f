/** The node's only long-lived keys: who it is, and what its extents are named with. In one file, for its owner alone. */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from 'typebox'
import {
  Bytes,
  type KeyPair,
  OcmError,
  type Primitives,
  Strict,
  decodeAs,
  toCbor,
} from '@ocm/protocol'
import { readDurable, writeDurable } from './durable.ts'

export interface Identity {
  /** Ed25519: is the node; signs snapshots, replies and receipts. */
  readonly key: KeyPair
  /** 32 bytes. With another one everything counts as new. */
  readonly idKey: Uint8Array
}

const Stored = Strict({ v: Type.Literal(1), key: Bytes(32), idKey: Bytes(32) })

const fileIn = (stateDir: string) => join(stateDir, 'identity')

/**
 * @returns undefined when this state directory has none.
 * @throws OcmError 'keys-exposed' when the file is not its owner's alone; 'malformed'
 */
export async function readIdentity(p: Primitives, stateDir: string): Promise<Identity | undefined> {
  const path = fileIn(stateDir)
  const bytes = await readDurable(path)
  if (!bytes) return undefined
  const { mode, uid } = await lstat(path)
  if ((mode & 0o177) !== 0 || uid !== process.getuid?.()) throw new OcmError('keys-exposed')
  const { key, idKey } = decodeAs(Stored, bytes, 'identity file')
  return { key: p.ed25519Pair(key), idKey }
}

/** Makes one and answers when it is on disk. Not for a directory that has one: what it signed would be lost. */
export async function createIdentity(p: Primitives, stateDir: string): Promise<Identity> {
  if (await readIdentity(p, stateDir)) throw new OcmError('already-enrolled')
  const identity: Identity = { key: p.ed25519Pair(), idKey: p.random(32) }
  const { key, idKey } = identity
  await writeDurable(fileIn(stateDir), toCbor({ v: 1, key: key.secret, idKey }))
  return identity
}
