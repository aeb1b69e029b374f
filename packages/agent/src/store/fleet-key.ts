/** The key of fingerprints of identities (see protocol/fleet.ts): beside the node's own keys, for its owner alone. */
import { join } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { readDurable, writeDurable } from './durable.ts'

const KEY_BYTES = 32

const fileIn = (stateDir: string) => join(stateDir, 'fleet')

/** @returns undefined when this node was not given it. @throws OcmError 'malformed' */
export async function readFleetKey(stateDir: string): Promise<Uint8Array | undefined> {
  const key = await readDurable(fileIn(stateDir))
  if (key !== undefined && key.length !== KEY_BYTES) {
    throw new OcmError('malformed', { what: 'fleet key' })
  }
  return key
}

/** Answers when it is on disk. */
export const keepFleetKey = (stateDir: string, key: Uint8Array): Promise<void> =>
  writeDurable(fileIn(stateDir), key)
