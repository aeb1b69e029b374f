/** The highest epoch under which a source was to be fenced, as far as this hub knows. */
import { claimedBody, claimedSigner, equal, Order } from '@ocm/protocol'
import type { JobCatalog } from './ports.ts'

/** @param operators of today's vault record: operators count the orders of no other, see their fence-epoch.ts. */
export async function lastFence(
  jobs: Pick<JobCatalog, 'movesOf'>,
  operators: readonly { readonly key: Uint8Array }[],
  source: string,
): Promise<{ readonly statement: Uint8Array; readonly fenceEpoch: number } | undefined> {
  const moves = (await jobs.movesOf(source))
    .filter((statement) => operators.some(({ key }) => equal(key, claimedSigner(statement))))
    .map((statement) => {
      // Judged when it was submitted.
      const { fenceEpoch } = claimedBody(Order, 'order', statement)
      return { statement, fenceEpoch }
    })
  return moves.toSorted((a, b) => b.fenceEpoch - a.fenceEpoch)[0]
}
