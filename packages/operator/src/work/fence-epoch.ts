/**
 * Under which epoch a node is to be fenced: above every one that it may have seen. Known are what its snapshot says, and
 * the orders that the hub shows, of which only an operator's own word counts: a hub that makes up a high number would keep
 * the node from ever being fenced again. One that hides an order makes the source refuse this one.
 */
import { OcmError, Order, fromBase64url, readStatement } from '@ocm/protocol'
import type { OpenedSnapshot } from '../snapshots/open.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from '../vault/unlock.ts'

/**
 * What a hub that was set back may have forgotten. A source that is there refuses too low an epoch before anything happens;
 * one that comes back after its move would go on beside its target.
 */
const FORGOTTEN = 1000

/** @param isAway the source is not there to refuse it. */
export async function nextFenceEpoch(
  { p, api }: Ports,
  { record }: Pick<Unlocked, 'record'>,
  { node, manifest }: Pick<OpenedSnapshot, 'node' | 'manifest'>,
  isAway: boolean,
): Promise<number> {
  const { order } = await api.lastFence(node)
  const last = order === null ? undefined : readLast(fromBase64url(order))
  const rise = isAway ? FORGOTTEN : 1
  return rise + Math.max(manifest.fenceEpoch ?? 0, last?.source === node ? last.fenceEpoch : 0)

  function readLast(statement: Uint8Array): Order | undefined {
    try {
      const operators = record.operators.map(({ key }) => key)
      return readStatement(p, 'order', Order, statement, operators)
    } catch (error) {
      // By an operator who was removed since.
      if (error instanceof OcmError && error.code === 'signature-invalid') return undefined
      throw error
    }
  }
}
