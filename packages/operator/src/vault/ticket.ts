/** A ticket with which one node may join. Its secret goes into the join string and never to the hub. */
import {
  type TicketState,
  base64url,
  fleetKeyOf,
  fromBase64url,
  issueTicket as makeTicket,
  writeJoinString,
} from '@ocm/protocol'
import type { Ports } from '../ports.ts'
import type { Unlocked } from './unlock.ts'

export interface TicketWish {
  /** What the node shall be called; the hub sees it. */
  readonly label: string
  readonly ttlMs: number
  /** Under which addresses the node reaches the hub; the client's own when none is given. */
  readonly urls?: readonly string[]
  /** For what is no node that runs: an archive that is taken in is not looked at for twins. */
  readonly guest?: true
}

export interface IssuedTicket {
  /** For `ocm-agent join`; whoever has it can join one node. */
  readonly join: string
  readonly ticket: TicketState
}

export async function issueTicket(
  { p, api, now }: Ports,
  { vault, hub }: Unlocked,
  wish: TicketWish,
): Promise<IssuedTicket> {
  const made = makeTicket(p, vault, { label: wish.label, expiresAt: now() + wish.ttlMs })
  const ticket = await api.postTicket(base64url(made.statement))
  const urls = wish.urls ?? [api.url]
  const isSecure = urls.some((url) => url.startsWith('https:'))
  const certificate = isSecure ? await api.certificate() : undefined
  const join = writeJoinString(p, {
    urls: [...urls],
    ...(certificate === undefined ? {} : { certificate: fromBase64url(certificate) }),
    hub,
    root: vault.root.public,
    ticket: made.ticket.id,
    secret: made.secret,
    ...(wish.guest ? {} : { fleet: fleetKeyOf(p, vault) }),
  })
  made.secret.fill(0)
  return { join, ticket }
}
