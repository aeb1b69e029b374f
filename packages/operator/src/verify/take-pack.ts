/** One pack from the hub to its verdict. Whoever reads packs has one of these, and the memory that goes with it. */
import { OcmError, PACK_MAX_BYTES, type Primitives } from '@ocm/protocol'
import type { ApiClient } from '../api/client.ts'
import { checkPack, nothingOf } from './check-pack.ts'
import type { PackTask, PackVerdict, Portion } from './task.ts'

export type TakePack = (task: PackTask, hand: (portion: Portion) => void) => Promise<PackVerdict>

/** One pack at a time. @throws OcmError when the hub cannot be reached; what is wrong with the pack is in the verdict. */
export function packTaker(p: Primitives, api: Pick<ApiClient, 'wholePack'>): TakePack {
  let room = new ArrayBuffer(0)
  return async (task, hand) => {
    const { pack, bytes } = task
    if (bytes > PACK_MAX_BYTES) return nothingOf(task, 'damaged')
    if (room.byteLength < bytes) room = new ArrayBuffer(bytes + SPARE)
    let stored: Uint8Array
    try {
      stored = await api.wholePack(pack, new Uint8Array(room, 0, bytes))
    } catch (error) {
      if (!(error instanceof OcmError)) throw error
      if (error.code === 'pack-missing') return nothingOf(task, 'missing')
      // The hub's answer was shorter than the pack is.
      if (error.code === 'malformed') return nothingOf(task, 'damaged')
      throw error
    }
    return checkPack(p, task, stored, hand)
  }
}

/** Packs are about as long as one another. */
const SPARE = 512 * 1024
