/** A source's FENCED, asked for and judged. */
import {
  base64url,
  Fenced,
  fromBase64url,
  type NodeConversation,
  OcmError,
  readStatement,
} from '@ocm/protocol'
import type { Node } from '../nodes/ports.ts'
import { type ApplyNeeds, nodeOf, orderHash } from './apply.ts'
import type { StoredJob } from './ports.ts'

/** @returns the final snapshot. @throws OcmError 'signature-invalid', 'order-invalid' */
export async function checkFenced(
  { p, snapshots }: Pick<ApplyNeeds, 'p' | 'snapshots'>,
  order: Uint8Array,
  source: Node,
  statement: Uint8Array,
): Promise<string> {
  const said = readStatement(p, 'fenced', Fenced, statement, [source.key])
  const final = await snapshots.snapshot(said.snapshot)
  const fits =
    said.order === orderHash(p, order) && said.node === source.id && final?.node === source.id
  if (!fits) throw new OcmError('order-invalid', { why: 'fenced' })
  return said.snapshot
}

/** Of a source that is there now although it was attested to be off. @throws OcmError what it answers */
export async function askFenced(
  needs: ApplyNeeds,
  { job, order }: StoredJob,
  conversation: NodeConversation,
  signal: AbortSignal,
): Promise<Pick<StoredJob, 'fenced' | 'finalSnapshot'>> {
  if (!order) throw new OcmError('internal', { what: 'order' })
  const asked = {
    job: job.id,
    order: base64url(order),
    record: base64url(needs.vault.needed().statement),
  }
  const wait = { deadlineMs: Number.POSITIVE_INFINITY, signal }
  const { result } = await conversation.request('fence', asked, wait)
  const fenced = fromBase64url(result.fenced)
  const source = await nodeOf(needs, job.source)
  return { fenced, finalSnapshot: await checkFenced(needs, order, source, fenced) }
}
