import { OcmError, type Primitives, readTicket, type TicketState, equal } from '@ocm/protocol'
import type { NodeCatalog, StoredTicket } from './ports.ts'
import type { VaultKeeper } from './vault.ts'

export interface TicketNeeds {
  readonly p: Primitives
  readonly catalog: NodeCatalog
  readonly vault: VaultKeeper
  readonly now: () => number
}

export const ticketState = (ticket: StoredTicket, at: number): TicketState => ({
  id: ticket.id,
  label: ticket.label,
  expiresAt: ticket.expiresAt,
  state: ticket.usedAt !== null ? 'used' : ticket.expiresAt <= at ? 'expired' : 'open',
  node: ticket.node,
})

/** Takes in a ticket that the vault's root has signed. @throws OcmError 'signature-invalid', 'ticket-expired', 'ticket-used' */
export async function addTicket(
  { p, catalog, vault, now }: TicketNeeds,
  statement: Uint8Array,
): Promise<TicketState> {
  const { root, record } = vault.needed()
  const { id, key, label, expiresAt, vault: of } = readTicket(p, root, statement)
  if (of !== record.vault) throw new OcmError('vault-changed')
  const at = now()
  if (expiresAt <= at) throw new OcmError('ticket-expired')
  const ticket = { id, key, label, expiresAt, statement, usedAt: null, node: null }
  if (await catalog.addTicket(ticket, at)) return ticketState(ticket, at)
  const same = await catalog.ticket(id)
  if (!same || !equal(same.statement, statement)) throw new OcmError('ticket-used')
  return ticketState(same, at)
}
