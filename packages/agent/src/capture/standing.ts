/** Where the node's chain stands, agreed with the hub before a snapshot is added to it. */
import { OcmError, readSnapshot, snapshotIdOf } from '@ocm/protocol'
import { Chain } from '../store/chain.ts'
import type { CaptureParts } from './parts.ts'

/**
 * A commit whose answer was lost is found out by the hub's head. A head that this node signed and has forgotten is
 * taken up again; one that is behind what this node knows is a hub that was set back or lies.
 * @throws OcmError 'snapshot-refused', 'signature-invalid'
 */
export async function openChain(parts: CaptureParts): Promise<Chain> {
  const { p, identity, node, stateDir, hub } = parts
  const chain = await Chain.open(stateDir, node)
  const statement = await hub.head()
  const known = chain.newest
  if (statement === null) {
    if (known) throw behind()
    return chain
  }
  const snapshot = snapshotIdOf(p, statement)
  if (snapshot === known?.snapshot) return chain
  const { sending } = chain
  if (snapshot === sending?.snapshot) {
    await chain.committed(sending)
    return chain
  }
  const header = readSnapshot(p, identity.key.public, statement)
  if (header.node !== node || header.seq <= (known?.seq ?? 0)) throw behind()
  const packs = header.packs.map(({ id }) => id)
  await chain.committed({ snapshot, seq: header.seq, job: null, packs })
  return chain
}

const behind = () => new OcmError('snapshot-refused', { why: 'the hub is behind this node' })
