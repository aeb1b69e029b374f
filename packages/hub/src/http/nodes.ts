/** Tickets and nodes. */
import {
  base64url,
  DescribeAnswer,
  DescribeRequest,
  Id,
  NodeState,
  OcmError,
  SetSchedule,
  Strict,
  TicketRequest,
  TicketState,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { NodeCatalog } from '../nodes/ports.ts'
import type { Presence } from '../nodes/presence.ts'
import type { Roster } from '../nodes/roster.ts'
import { addTicket, ticketState, type TicketNeeds } from '../nodes/tickets.ts'
import type { Audit } from '../people/ports.ts'
import type { Schedules } from '../schedules/schedules.ts'
import { bytesOf } from './bytes.ts'
import { route } from './route.ts'
import { operatorOf } from './who.ts'

export interface NodeNeeds extends TicketNeeds {
  readonly catalog: NodeCatalog
  readonly presence: Presence
  readonly roster: Roster
  readonly audit: Audit
  readonly schedules: Pick<Schedules, 'set'>
}

const ById = Strict({ id: Id })
const Label = Strict({ label: Type.String({ minLength: 1, maxLength: 64 }) })
/** A description asks OpenClaw for its facts, which takes a while on a small machine. */
const DESCRIBE_MS = 120_000

export function nodeRoutes(api: FastifyInstance, needs: NodeNeeds): void {
  const { catalog, vault, presence, roster, audit, now } = needs

  route(api, 'GET', '/tickets', { answer: Type.Array(TicketState) }, async () => {
    const at = now()
    return (await catalog.tickets()).map((ticket) => ticketState(ticket, at))
  })

  route(api, 'POST', '/tickets', { body: TicketRequest, answer: TicketState }, async (request) => {
    const ticket = await addTicket(needs, bytesOf(request.body.statement, 'ticket'))
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'ticket', subject: ticket.id })
    return ticket
  })

  route(api, 'GET', '/nodes', { answer: Type.Array(NodeState) }, () => roster.list())

  route(api, 'GET', '/nodes/:id', { params: ById, answer: NodeState }, (request) =>
    roster.one(request.params.id),
  )

  route(
    api,
    'PATCH',
    '/nodes/:id',
    { params: ById, body: Label, answer: NodeState },
    async (request) => {
      const node = await roster.rename(request.params.id, request.body.label)
      const actor = operatorOf(request).name
      await audit.note({ at: now(), actor, action: 'node-renamed', subject: node.id })
      return node
    },
  )

  route(api, 'POST', '/nodes/:id/retire', { params: ById, answer: NodeState }, async (request) => {
    const { id } = await roster.one(request.params.id)
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'node-retired', subject: id })
    return roster.retire(id)
  })

  route(api, 'POST', '/nodes/:id/readmit', { params: ById, answer: NodeState }, async (request) => {
    const { id } = await roster.one(request.params.id)
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'node-readmitted', subject: id })
    return roster.readmit(id)
  })

  route(
    api,
    'PUT',
    '/nodes/:id/schedule',
    { params: ById, body: SetSchedule, answer: NodeState },
    async (request) => {
      const { id } = await roster.one(request.params.id)
      await needs.schedules.set(id, request.body.schedule, operatorOf(request).name)
      return roster.one(id)
    },
  )

  route(
    api,
    'POST',
    '/nodes/:id/describe',
    { params: ById, body: DescribeRequest, answer: DescribeAnswer },
    async (request) => {
      const { id, reach = 'agent' } = await roster.one(request.params.id)
      const conversation = presence.get(id)
      if (!conversation) throw new OcmError('node-offline', { reach })
      const { result } = await conversation.request(
        'describe',
        { record: base64url(vault.needed().statement), ...request.body },
        { deadlineMs: DESCRIBE_MS },
      )
      return result
    },
  )
}
