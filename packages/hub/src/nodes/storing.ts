/** What an agent asks of the hub to store a capture. */
import {
  base64url,
  fromBase64url,
  type NodeConversation,
  OcmError,
  PACK_MAX_BYTES,
} from '@ocm/protocol'
import { commitSnapshot, type CommitNeeds } from './commit.ts'
import type { Node } from './ports.ts'

export interface StoringNeeds extends CommitNeeds {
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
    const held = await snapshots.heldPacks(node.id, ids)
    const missing: string[] = []
    for (const id of ids) {
      const pack = held.get(id)
      if (!pack || (await packs.size(id)) !== pack.bytes) missing.push(id)
    }
    return { missing }
  })

  conversation.handle('pack.put', async ({ id, bytes, class: of }, body) => {
    if (bytes === 0 || bytes > PACK_MAX_BYTES) throw new OcmError('malformed', { what: 'pack' })
    await packs.put(id, bytes, body)
    await snapshots.addPack({ node: node.id, id, class: of, bytes, at: now() })
    return {}
  })

  conversation.handle('snapshot.commit', async ({ job, header }) => {
    await needs.checkJob(job, node.id)
    return commitSnapshot(needs, node, fromBase64url(header))
  })

  conversation.handle('snapshot.head', async () => {
    const newest = await snapshots.newest(node.id)
    return { header: newest ? base64url(newest.header) : '' }
  })
}
