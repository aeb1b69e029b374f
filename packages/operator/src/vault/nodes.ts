/** Which nodes the vault trusts: only those in its record receive orders and grants. */
import {
  type NodeState,
  OcmError,
  type Primitives,
  equal,
  fingerprint,
  fromBase64url,
  proveNode,
} from '@ocm/protocol'
import { reviseRecord } from './record.ts'
import type { Ports } from '../ports.ts'
import type { Unlocked } from './unlock.ts'

export interface Confirmation {
  /** The vault with the record that now holds. */
  readonly unlocked: Unlocked
  readonly confirmed: readonly NodeState[]
  /** Joined without a ticket of this vault: to be confirmed by fingerprint. */
  readonly unproven: readonly NodeState[]
  /** Nodes whose proof does not hold for the key that the hub shows: somebody put another key in a node's place. */
  readonly alarms: readonly NodeState[]
}

/** Lists in the vault record every node that can prove itself. What the hub says of it is not believed. */
export async function confirmNodes(ports: Ports, unlocked: Unlocked): Promise<Confirmation> {
  const nodes = (await ports.api.nodes()).filter(({ state }) => state !== 'revoked')
  const confirmed: NodeState[] = []
  const unproven: NodeState[] = []
  const alarms: NodeState[] = []
  const shared = sharedTickets(nodes)
  for (const node of nodes) {
    const verdict = judge(ports.p, unlocked, shared, node)
    if (verdict === 'proven') confirmed.push(node)
    else if (verdict === 'unproven') unproven.push(node)
    else if (verdict === 'alarm') alarms.push(node)
  }
  const listed = await listNodes(ports, unlocked, confirmed)
  return { unlocked: listed, confirmed, unproven, alarms }
}

/** A ticket is for one node: who else has it has read the join string, and nobody can tell which of them is meant. */
function sharedTickets(nodes: readonly NodeState[]): ReadonlySet<string> {
  const keys = new Map<string, string>()
  const shared = new Set<string>()
  for (const { key, proof } of nodes) {
    if (proof.ticket === '') continue
    if ((keys.get(proof.ticket) ?? key) !== key) shared.add(proof.ticket)
    keys.set(proof.ticket, key)
  }
  return shared
}

type Verdict = 'known' | 'proven' | 'unproven' | 'alarm'

function judge(
  p: Primitives,
  { vault, record }: Unlocked,
  shared: ReadonlySet<string>,
  node: NodeState,
): Verdict {
  const key = fromBase64url(node.key)
  const { ticket, enrolment } = node.proof
  const listed = record.nodes.find(({ id }) => id === node.id)
  if (listed !== undefined) return equal(listed.key, key) ? 'known' : 'alarm'
  if (record.revoked.some((revoked) => equal(revoked, key))) return 'alarm'
  if (record.nodes.some((other) => equal(other.key, key))) return 'alarm'
  if (shared.has(ticket)) return 'alarm'
  if (ticket === '' || enrolment === '') return 'unproven'
  const proof = { ticket: fromBase64url(ticket), enrolment: fromBase64url(enrolment) }
  return record.hubs.some((hub) => proves(p, vault, hub, proof, key)) ? 'proven' : 'alarm'
}

function proves(
  p: Primitives,
  vault: Unlocked['vault'],
  hub: Uint8Array,
  proof: { readonly ticket: Uint8Array; readonly enrolment: Uint8Array },
  key: Uint8Array,
): boolean {
  try {
    return equal(proveNode(p, vault, hub, proof).node, key)
  } catch (error) {
    if (error instanceof OcmError) return false
    throw error
  }
}

/**
 * Confirms a node that joined without a ticket, by what `ocm-agent status` shows on it.
 * @throws OcmError 'node-unconfirmed' when the fingerprint is not that of the key the hub shows.
 */
export async function confirmByFingerprint(
  ports: Ports,
  unlocked: Unlocked,
  node: NodeState,
  typed: string,
): Promise<Unlocked> {
  if (plain(typed) !== plain(fingerprint(ports.p, fromBase64url(node.key)))) {
    throw new OcmError('node-unconfirmed')
  }
  return listNodes(ports, unlocked, [node])
}

/** Without the groups' hyphens, which nobody has to type. */
const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z2-7]/g, '')

const listNodes = (ports: Ports, unlocked: Unlocked, nodes: readonly NodeState[]) =>
  reviseRecord(ports, unlocked, (record) => {
    const more = nodes
      .filter(({ id }) => !record.nodes.some((listed) => listed.id === id))
      .map(({ id, key }) => ({ id, key: fromBase64url(key) }))
    return more.length === 0 ? undefined : { nodes: [...record.nodes, ...more] }
  })

/** Takes a node out of the record for good; its snapshots stay. */
export async function retireNode(
  ports: Ports,
  unlocked: Unlocked,
  node: NodeState,
): Promise<Unlocked> {
  const next = await reviseRecord(ports, unlocked, (record) => {
    const key = record.nodes.find(({ id }) => id === node.id)?.key ?? fromBase64url(node.key)
    if (record.revoked.some((revoked) => equal(revoked, key))) return undefined
    return {
      nodes: record.nodes.filter(({ id }) => id !== node.id),
      revoked: [...record.revoked, key],
      retired: [...(record.retired ?? []), { id: node.id, key }],
    }
  })
  await ports.api.retireNode(node.id)
  return next
}

/** Whose signature makes a snapshot one of a node's. */
export interface ReadingKey {
  readonly key: Uint8Array
  /** The node was retired: what it signed can be read, and is neither granted nor ordered from. */
  readonly retired: boolean
}

/**
 * Who may have signed a node's snapshots, for reading them.
 * @param shown the key that the hub shows for it. It counts only for a node that was retired before the record said
 * which node a revoked key was, and only if the record revokes it.
 * @throws OcmError 'node-unconfirmed'
 */
export function readingKey(
  unlocked: Pick<Unlocked, 'record'>,
  node: string,
  shown: Uint8Array,
): ReadingKey {
  const { nodes, retired = [], revoked } = unlocked.record
  if (nodes.some(({ id }) => id === node)) {
    return { key: confirmedKey(unlocked, node), retired: false }
  }
  const known = retired.find(({ id }) => id === node)?.key
  if (known !== undefined) return { key: known, retired: true }
  const isNamed = retired.some(({ key }) => equal(key, shown))
  if (isNamed || !revoked.some((key) => equal(key, shown))) throw new OcmError('node-unconfirmed')
  return { key: shown, retired: true }
}

/** The key of a node by the vault record. @throws OcmError 'node-unconfirmed' */
export function confirmedKey({ record }: Pick<Unlocked, 'record'>, node: string): Uint8Array {
  const listed = record.nodes.find(({ id }) => id === node)
  if (listed === undefined) throw new OcmError('node-unconfirmed')
  return listed.key
}
