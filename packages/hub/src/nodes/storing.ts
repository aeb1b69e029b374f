/** What an agent asks of the hub to store a capture. */
import {
  base64url,
  fromBase64url,
  type NodeConversation,
  OcmError,
  PACK_MAX_BYTES,
} from '@ocm/protocol'
import type { CommitNeeds, createCommit } from './commit.ts'
import type { Node } from './ports.ts'

export interface StoringNeeds extends Pick<CommitNeeds, 'snapshots' | 'packs' | 'now'> {
  readonly commit: ReturnType<typeof createCommit>
  /** @throws OcmError when this is no unfinished job of the node */
  readonly checkJob: (job: string, node: string) => Promise<void>
}

export function serveStoring(
  conversation: NodeConversation,
  node: Pick<Node, 'id' | 'key'>,
  needs: StoringNeeds,
): void {
  const { packs, snapshots, now } = needs

  conversation.handle('pack.missing', async ({ ids }) => {
    const wanted = ids.map((id) => ({ id }))
    return { missing: await snapshots.claimPacks(node.id, wanted, packs.size, now()) }
  })

  conversation.handle('pack.put', async ({ id, bytes, class: of }, body) => {
    if (bytes === 0 || bytes > PACK_MAX_BYTES) throw new OcmError('malformed', { what: 'pack' })
    await packs.put(id, bytes, body)
    const pack = { node: node.id, id, class: of, bytes, at: now() }
    // An old pack of the same bytes is being deleted at this moment; the node stores it again.
    if (!(await snapshots.addPack(pack, packs.size))) throw new OcmError('pack-missing')
    return {}
  })

  conversation.handle('snapshot.commit', async ({ job, header }) => {
    await needs.checkJob(job, node.id)
    return needs.commit(node, fromBase64url(header))
  })

  conversation.handle('snapshot.head', async () => {
    const newest = await snapshots.newest(node.id)
    return { header: newest ? base64url(newest.header) : '' }
  })
}
