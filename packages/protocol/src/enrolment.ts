/**
 * How a node joins. The operator's client makes a ticket: an Ed25519 key whose public half is signed by the vault's
 * root and given to the hub. The secret half travels inside the join string to the agent, past the hub. The agent
 * signs {node key, hub key, vault root} with it, so a hub that puts another key in the node's place is found out by
 * the next client that opens the vault.
 */
import { type Static, Type } from 'typebox'
import { base64url, fromBase64url, hex } from './bytes.ts'
import { toCbor } from './cbor.ts'
import { OcmError } from './errors.ts'
import { Id, type VaultId, vaultIdOf } from './ids.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { Bytes, Millis, Strict, decodeAs } from './shapes.ts'
import { claimedSigner, makeStatement, readStatement } from './statements.ts'
import type { Vault } from './vault.ts'

export const Ticket = Strict({
  v: Type.Literal(1),
  id: Id,
  vault: Id,
  /** The ticket's public key. */
  key: Bytes(32),
  /** What the operator wants to call the node; the hub sees it. */
  label: Type.String({ minLength: 1, maxLength: 64 }),
  expiresAt: Millis,
})
export type Ticket = Static<typeof Ticket>

/** What an agent says when it joins, signed with the ticket's key. */
export const Enrolment = Strict({
  v: Type.Literal(1),
  ticket: Id,
  node: Bytes(32),
  hub: Bytes(32),
  root: Bytes(32),
})
export type Enrolment = Static<typeof Enrolment>

const JoinString = Strict({
  v: Type.Literal(1),
  urls: Type.Array(Type.String({ maxLength: 512 }), { minItems: 1, maxItems: 8 }),
  hub: Bytes(32),
  root: Bytes(32),
  ticket: Id,
  secret: Bytes(32),
  /** See fleet.ts. */
  fleet: Type.Optional(Bytes(32)),
  /** The one certificate to be taken from the hub, see certificate-pin.ts. */
  certificate: Type.Optional(Bytes(32)),
})
export type JoinString = Static<typeof JoinString>

const PREFIX = 'ocm1.'

/** One line for `ocm-agent join`. Six letters of checksum tell a half-copied string from a refused one. */
export function writeJoinString(p: Primitives, join: Omit<JoinString, 'v'>): string {
  const body = toCbor({ v: 1, ...join })
  return `${PREFIX}${base64url(body)}.${hex(p.sha256(body)).slice(0, 6)}`
}

/** @throws OcmError 'ticket-altered' */
export function readJoinString(p: Primitives, text: string): JoinString {
  const [body = '', sum] = text.trim().slice(PREFIX.length).split('.')
  try {
    const bytes = fromBase64url(body)
    if (!text.trim().startsWith(PREFIX) || hex(p.sha256(bytes)).slice(0, 6) !== sum) {
      throw new TypeError('checksum')
    }
    return decodeAs(JoinString, bytes, 'join string')
  } catch (cause) {
    throw new OcmError('ticket-altered', {}, { cause })
  }
}

/** A new ticket: the statement for the hub and the secret for the join string. */
export function issueTicket(
  p: Primitives,
  vault: Vault,
  wish: { readonly label: string; readonly expiresAt: number },
): { readonly ticket: Ticket; readonly statement: Uint8Array; readonly secret: Uint8Array } {
  const key = p.ed25519Pair()
  const ticket: Ticket = {
    v: 1,
    id: hex(p.random(16)),
    vault: vault.id,
    key: key.public,
    label: wish.label,
    expiresAt: wish.expiresAt,
  }
  return { ticket, statement: makeStatement(p, 'ticket', ticket, vault.root), secret: key.secret }
}

/** @throws OcmError 'signature-invalid' */
export const readTicket = (p: Primitives, root: Uint8Array, statement: Uint8Array): Ticket =>
  readStatement(p, 'ticket', Ticket, statement, [root])

export function makeEnrolment(
  p: Primitives,
  join: JoinString,
  node: Uint8Array,
): { readonly statement: Uint8Array } {
  const ticketKey: KeyPair = p.ed25519Pair(join.secret)
  const body: Enrolment = { v: 1, ticket: join.ticket, node, hub: join.hub, root: join.root }
  return { statement: makeStatement(p, 'enrolment', body, ticketKey) }
}

/** The hub's check: the ticket's own key signed for this node and this hub. @throws OcmError */
export function readEnrolment(
  p: Primitives,
  ticket: Pick<Ticket, 'id' | 'key'>,
  statement: Uint8Array,
): Enrolment {
  const enrolment = readStatement(p, 'enrolment', Enrolment, statement, [ticket.key])
  if (enrolment.ticket !== ticket.id) throw new OcmError('ticket-altered')
  return enrolment
}

/**
 * The client's check before it lists a node in the vault record: root signed the ticket, the ticket signed the node
 * key that the hub shows, for this hub and this vault.
 * @throws OcmError 'signature-invalid' or 'node-unconfirmed'
 */
export function proveNode(
  p: Primitives,
  vault: Pick<Vault, 'root'>,
  hub: Uint8Array,
  proof: { readonly ticket: Uint8Array; readonly enrolment: Uint8Array },
): { readonly node: Uint8Array; readonly label: string; readonly vault: VaultId } {
  const ticket = readTicket(p, vault.root.public, proof.ticket)
  const enrolment = readEnrolment(p, ticket, proof.enrolment)
  const same = hex(enrolment.hub) === hex(hub) && hex(enrolment.root) === hex(vault.root.public)
  if (!same) throw new OcmError('node-unconfirmed')
  return { node: enrolment.node, label: ticket.label, vault: vaultIdOf(p, vault.root.public) }
}

/** Which ticket key an enrolment claims, for looking the ticket up. */
export const claimedTicketKey = claimedSigner
