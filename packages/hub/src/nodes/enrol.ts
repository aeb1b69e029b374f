/** A ticket and a key become a node, once. */
import {
  equal,
  fromBase64url,
  type Hello,
  newId,
  OcmError,
  type Primitives,
  readEnrolment,
} from '@ocm/protocol'
import type { Audit } from '../people/ports.ts'
import type { Node, NodeCatalog } from './ports.ts'
import type { VaultKeeper } from './vault.ts'

export interface EnrolNeeds {
  readonly p: Primitives
  readonly catalog: NodeCatalog
  readonly vault: VaultKeeper
  readonly audit: Audit
  readonly hubKey: Uint8Array
  readonly now: () => number
  readonly enrolled: (node: Node, ticket: string) => void
}

/**
 * @param key the one that the handshake has proved.
 * @throws OcmError 'ticket-unknown', 'ticket-expired', 'ticket-used', 'ticket-altered', 'already-enrolled', 'node-revoked'
 */
export async function enrol(
  { p, catalog, vault, audit, hubKey, now, enrolled }: EnrolNeeds,
  key: Uint8Array,
  hello: Hello & { readonly enrol: NonNullable<Hello['enrol']> },
): Promise<Node> {
  const ticket = await catalog.ticket(hello.enrol.ticket)
  if (!ticket) throw new OcmError('ticket-unknown')
  const known = await catalog.nodeByKey(key)
  if (ticket.usedAt !== null) {
    // The answer to the first try was lost on its way.
    if (known && known.id === ticket.node) return known
    throw new OcmError('ticket-used')
  }
  if (ticket.expiresAt <= now()) throw new OcmError('ticket-expired')
  if (known) throw new OcmError(known.state === 'revoked' ? 'node-revoked' : 'already-enrolled')

  const { root, record } = vault.needed()
  const enrolment = bytesOf(hello.enrol.enrolment)
  const said = readAltered(() => readEnrolment(p, ticket, enrolment))
  const fits = equal(said.node, key) && equal(said.hub, hubKey) && equal(said.root, root)
  if (!fits) throw new OcmError('ticket-altered')
  if (record.revoked.some((revoked) => equal(revoked, key))) throw new OcmError('node-revoked')

  const at = now()
  const node: Node = {
    id: newId(p),
    key,
    label: ticket.label,
    state: 'active',
    sequence: { stored: 0, pending: null },
    boot: hello.boot,
    ticket: ticket.statement,
    enrolment,
    agentVersion: hello.agentVersion,
    enrolledAt: at,
    lastSeenAt: at,
    movedTo: null,
  }
  if (!(await catalog.enrol(ticket.id, node))) throw new OcmError('ticket-used')
  await audit.note({ at, actor: `node ${node.id}`, action: 'node-enrolled', subject: ticket.id })
  enrolled(node, ticket.id)
  return node
}

const bytesOf = (text: string): Uint8Array => readAltered(() => fromBase64url(text))

/** What is not signed with the ticket's key was made from another join string. */
function readAltered<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new OcmError('ticket-altered', {}, { cause })
  }
}
