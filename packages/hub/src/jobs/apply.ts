/** The two halves of applying a snapshot, as restore, clone and move ask them of the target. */
import {
  Abort,
  base64url,
  fromBase64url,
  fromWireError,
  hex,
  OcmError,
  type Primitives,
  readStatement,
  type ResultOf,
  Speak,
  type TO_AGENT,
} from '@ocm/protocol'
import type { Node, NodeCatalog, SnapshotCatalog } from '../nodes/ports.ts'
import type { VaultKeeper } from '../nodes/vault.ts'
import type { Work } from './work.ts'

export interface ApplyNeeds {
  readonly p: Primitives
  readonly nodes: NodeCatalog
  readonly snapshots: SnapshotCatalog
  readonly vault: VaultKeeper
}

/** Restore and clone: nothing is fenced. */
export async function apply(work: Work, needs: ApplyNeeds): Promise<void> {
  await stage(work, needs)
  if (work.job.kind === 'clone') await tryOut(work)
  await work.step('activate', async () => {
    const outcome = await activate(work, needs, { fenced: '', header: '' })
    if (!outcome.spoke) throw whyAborted(outcome)
    // One that was moved away goes on as a node of its own.
    await needs.nodes.setMovedTo(work.job.node, null)
  })
}

export const stage = (work: Work, needs: ApplyNeeds): Promise<void> =>
  work.step('stage', async () => {
    const { id, node, source, snapshot } = work.job
    const { lost = 0 } = await work.ask(node, 'stage', async () => ({
      job: id,
      order: base64url(work.order),
      record: base64url(needs.vault.needed().statement),
      header: await headerOf(needs, snapshot),
      source: base64url((await nodeOf(needs, source)).key),
    }))
    if (lost > 0) await work.save({}, { warnings: lost })
  })

/** @throws OcmError 'trial-failed', and then target and source are as they were */
export const tryOut = (work: Work): Promise<void> =>
  work.step('trial', async () => {
    const { id, node } = work.job
    try {
      const { ready, skipped } = await work.ask(node, 'trial', async () => ({ job: id }))
      if (skipped) return 'skipped'
      if (!ready) throw new OcmError('trial-failed', { why: 'ready' })
      return
    } catch (error) {
      // An agent from before there were trials; the plan has said so.
      if (error instanceof OcmError && error.code === 'version-unsupported') return 'skipped'
      throw error
    }
  })

type Outcome = ResultOf<typeof TO_AGENT, 'activate'>

/** @throws OcmError 'signature-invalid' or 'order-invalid' when the outcome is not the target's word on this order */
export async function activate(
  work: Work,
  needs: ApplyNeeds,
  final: { readonly fenced: string; readonly header: string },
): Promise<Outcome> {
  const { p } = needs
  const { id, node } = work.job
  const answer = await work.ask(node, 'activate', async () => ({ job: id, ...final }))
  const outcome = fromBase64url(answer.outcome)
  const { key } = await nodeOf(needs, node)
  const said = answer.spoke
    ? readStatement(p, 'speak', Speak, outcome, [key])
    : readStatement(p, 'abort', Abort, outcome, [key])
  if (said.order !== orderHash(p, work.order) || said.node !== node) {
    throw new OcmError('order-invalid', { why: 'outcome' })
  }
  await work.save({ outcome }, { inventoryEqual: answer.inventoryEqual })
  return answer
}

/** Whether a word that is kept is an ABORT. @param key the target's */
export function isAbort(p: Primitives, outcome: Uint8Array, key: Uint8Array): boolean {
  try {
    readStatement(p, 'abort', Abort, outcome, [key])
    return true
  } catch (error) {
    if (error instanceof OcmError && error.code === 'signature-invalid') return false
    throw error
  }
}

export const whyAborted = ({ code }: Outcome): OcmError => fromWireError({ code, facts: {} })

/** Names an order in every later statement. */
export const orderHash = (p: Primitives, statement: Uint8Array): string => hex(p.sha256(statement))

export async function headerOf(
  { snapshots }: Pick<ApplyNeeds, 'snapshots'>,
  id: string | null,
): Promise<string> {
  const snapshot = id === null ? undefined : await snapshots.snapshot(id)
  if (!snapshot) throw new OcmError('not-found', { what: 'snapshot' })
  return base64url(snapshot.header)
}

export async function nodeOf(
  { nodes }: Pick<ApplyNeeds, 'nodes'>,
  id: string | null,
): Promise<Node> {
  const node = id === null ? undefined : await nodes.node(id)
  if (!node) throw new OcmError('node-unknown')
  return node
}
