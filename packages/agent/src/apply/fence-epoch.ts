/** The highest epoch that this node was to be fenced under. An order with one that is not above it is an old one. */
import { join } from 'node:path'
import { OcmError, fromUtf8 } from '@ocm/protocol'
import { readDurable, writeDurable } from '../store/durable.ts'

const fileIn = (stateDir: string) => join(stateDir, 'fence-epoch')

/** @param stateDir the agent's own. @returns 0 when it never was */
export async function epochSeen(stateDir: string): Promise<number> {
  const bytes = await readDurable(fileIn(stateDir))
  const epoch = bytes === undefined ? 0 : Number(fromUtf8(bytes))
  if (!Number.isSafeInteger(epoch)) throw new OcmError('malformed', { what: 'fence epoch' })
  return epoch
}

export const noteEpoch = async (stateDir: string, epoch: number): Promise<void> =>
  writeDurable(fileIn(stateDir), String(Math.max(epoch, await epochSeen(stateDir))))
