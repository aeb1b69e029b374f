/** The highest epoch under which a source was to be fenced, as far as this hub knows. */
import { claimedBody, Order } from '@ocm/protocol'
import type { JobCatalog } from './ports.ts'

export async function lastFence(
  jobs: Pick<JobCatalog, 'movesOf'>,
  source: string,
): Promise<{ readonly statement: Uint8Array; readonly fenceEpoch: number } | undefined> {
  const moves = (await jobs.movesOf(source)).map((statement) => {
    // Judged when it was submitted.
    const { fenceEpoch } = claimedBody(Order, 'order', statement)
    return { statement, fenceEpoch }
  })
  return moves.toSorted((a, b) => b.fenceEpoch - a.fenceEpoch)[0]
}
