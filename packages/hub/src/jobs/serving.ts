/** What an agent asks and says of a job. */
import { fromBase64url, isFinal, type NodeConversation, nodesOf, OcmError } from '@ocm/protocol'
import type { Node, Packs, SnapshotCatalog } from '../nodes/ports.ts'
import type { JobCatalog, StoredJob } from './ports.ts'
import type { Runner } from './runner.ts'

/** In one conversation; a node that says more is not listened to. */
const LOG_LINES = 20_000
const LOG_LINE_BYTES = 32 * 1024
/** Read from a pack at a time. */
const ROOM_BYTES = 1024 * 1024

export interface ServingNeeds {
  readonly jobs: JobCatalog
  readonly snapshots: SnapshotCatalog
  readonly packs: Packs
  readonly runner: Runner
  readonly now: () => number
  /** What goes wrong with something that nobody waits for. */
  readonly fault: (error: unknown) => void
}

/** @throws OcmError 'not-found' unless this is an unfinished job of the node; 'job-cancelled' */
export async function jobOf(jobs: JobCatalog, id: string, node: string): Promise<StoredJob> {
  const stored = await jobs.job(id)
  if (!stored || !nodesOf(stored.job).includes(node)) {
    throw new OcmError('not-found', { what: 'job' })
  }
  if (stored.cancelAsked) throw new OcmError('job-cancelled')
  // The last capture of a source that comes back after its move.
  const isOwed = stored.job.unfenced === 'owed' && stored.job.source === node
  if (isFinal(stored.job.state) && !isOwed) throw new OcmError('not-found', { what: 'job' })
  return stored
}

export function serveJobs(
  conversation: NodeConversation,
  node: Pick<Node, 'id'>,
  needs: ServingNeeds,
): void {
  const { jobs, snapshots, packs, runner, now, fault } = needs
  let lines = 0

  conversation.handle('pack.get', async ({ job, id, offset, length }) => {
    const stored = await jobOf(jobs, job, node.id)
    if (stored.job.node !== node.id) throw new OcmError('not-found', { what: 'pack' })
    const granted = [stored.job.snapshot, stored.finalSnapshot].filter((of) => of !== null)
    const pack = await snapshots.packOf(granted, id)
    if (!pack) throw new OcmError('not-found', { what: 'pack' })
    if (offset + length > pack.bytes) throw new OcmError('malformed', { what: 'range' })
    if ((await packs.size(id)) === undefined) throw new OcmError('pack-missing')
    const room = new Uint8Array(Math.min(length, ROOM_BYTES))
    return { result: {}, body: packs.get(id, offset, length, room) }
  })

  conversation.on('job.progress', ({ job, ...said }) => {
    runner.progress(job, node.id, said).catch(fault)
  })

  conversation.on('job.log', ({ job, sealed }) => {
    if (++lines > LOG_LINES || sealed.length > LOG_LINE_BYTES) return
    jobOf(jobs, job, node.id)
      .then(() => jobs.addLog(job, now(), fromBase64url(sealed)))
      .catch(fault)
  })
}
