/** A node is added over ssh: the agent joins over the same connection, with a ticket that goes past the hub. */
import {
  OcmError,
  type NodeState,
  type SshConnection,
  type SshCredential,
  type SshLease,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import { confirmNodes } from '../vault/nodes.ts'
import { issueTicket } from '../vault/ticket.ts'
import type { Unlocked } from '../vault/unlock.ts'
import { connectedOrThrow, lend } from './lease.ts'
import { lentOf } from './lent.ts'
import { keepConnection, keepCredential } from './stored.ts'

export interface SshNodeWish {
  /** What the node shall be called; the hub sees it. */
  readonly label: string
  /** With the host keys that were approved. */
  readonly connection: SshConnection
  readonly credential: SshCredential
  /** Store the credential too, sealed to the vault. */
  readonly keep: boolean
}

export interface EnrolledOverSsh {
  readonly node: NodeState
  readonly unlocked: Unlocked
  /** Still connected, for a first backup. */
  readonly lease: SshLease
}

/** Long enough to find a Node on a slow machine, short enough to be worth nothing later. */
const TICKET_MS = 10 * 60_000

/** @throws OcmError 'ssh-auth-failed', 'ssh-host-key-changed', 'ssh-no-node', …; 'node-unconfirmed' */
export async function enrolOverSsh(
  ports: Ports,
  unlocked: Unlocked,
  wish: SshNodeWish,
  onChange: (lease: SshLease) => void = () => undefined,
): Promise<EnrolledOverSsh> {
  const { label, connection, credential, keep } = wish
  const { join, ticket } = await issueTicket(ports, unlocked, { label, ttlMs: TICKET_MS })
  const lent = lentOf(connection, credential, join)
  const lease = connectedOrThrow(await lend(ports, { node: null, purpose: 'work' }, lent, onChange))
  try {
    const id = lease.node ?? (await joinedWith(ports, ticket.id))
    const confirmation = await confirmNodes(ports, unlocked)
    if (!confirmation.unlocked.record.nodes.some((node) => node.id === id)) {
      throw new OcmError('node-unconfirmed')
    }
    await keepConnection(ports, confirmation.unlocked, id, connection)
    if (keep) await keepCredential(ports, confirmation.unlocked, id, credential)
    return { node: await ports.api.node(id), unlocked: confirmation.unlocked, lease }
  } catch (error) {
    // It ends by itself as well; what went wrong is what is to be known.
    await ports.api.endLease(lease.id).catch(() => undefined)
    throw error
  }
}

/** An account that was a node before is that node again, and its ticket stays unused. */
async function joinedWith({ api }: Ports, ticket: string): Promise<string> {
  const node = (await api.tickets()).find(({ id }) => id === ticket)?.node ?? null
  if (node === null) throw new OcmError('ssh-no-answer')
  return node
}
