/** Leases, and how nodes are reached over ssh. */
import {
  base64url,
  type ErrorCode,
  Id,
  OcmError,
  type Primitives,
  SettleAnswer,
  ForgetAnswer,
  SettleRequest,
  SshLease,
  SshLeaseIssued,
  SshLeaseRequest,
  SshLend,
  SshNode,
  SshNodePut,
  Strict,
  judgeStored,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Publish } from '../events.ts'
import type { Leases, SshEntry, SshNodes } from '../links/ssh/ports.ts'
import type { Presence } from '../nodes/presence.ts'
import type { Roster } from '../nodes/roster.ts'
import type { VaultKeeper } from '../nodes/vault.ts'
import type { Audit } from '../people/ports.ts'
import { bytesOf } from './bytes.ts'
import { route } from './route.ts'
import { operatorOf } from './who.ts'

export interface SshRouteNeeds {
  readonly p: Primitives
  readonly leases: Leases
  readonly sshNodes: SshNodes
  readonly delegateTo: Uint8Array
  readonly roster: Roster
  readonly presence: Presence
  /** Ends a conversation. */
  readonly links: { close(node: string, code: ErrorCode): void }
  readonly vault: VaultKeeper
  readonly audit: Audit
  readonly publish: Publish
  readonly now: () => number
}

const ById = Strict({ id: Id })
/** Installing asks a service manager several things. */
const SETTLE_MS = 90_000
const NONE = { connection: null, credential: null, delegation: null }

export function sshRoutes(api: FastifyInstance, needs: SshRouteNeeds): void {
  const { p, leases, sshNodes, roster, presence, links, vault, audit, publish, now } = needs

  route(api, 'GET', '/ssh/leases', { answer: Type.Array(SshLease) }, () => leases.list())

  route(
    api,
    'POST',
    '/ssh/leases',
    { body: SshLeaseRequest, answer: SshLeaseIssued },
    async (request) => {
      const { body } = request
      if (body.node !== null) await known(body.node)
      const actor = operatorOf(request).name
      const action = body.purpose === 'look' ? 'ssh-look' : 'ssh-lease'
      await audit.note({ at: now(), actor, action, subject: body.node ?? '' })
      const issued = await leases.issue(body, actor)
      // It may have been retired meanwhile, and what lasted then was let go of.
      const isOut = body.node !== null && (await roster.one(body.node)).state === 'revoked'
      if (isOut) {
        await leases.release(issued.lease)
        throw new OcmError('node-revoked')
      }
      return issued
    },
  )

  route(
    api,
    'POST',
    '/ssh/leases/:id/lend',
    { params: ById, body: SshLend, answer: SshLease },
    async (request) => {
      const actor = operatorOf(request).name
      await audit.note({ at: now(), actor, action: 'ssh-lent', subject: request.params.id })
      return leases.lend(request.params.id, request.body.sealed)
    },
  )

  route(api, 'DELETE', '/ssh/leases/:id', { params: ById, answer: SshLease }, async (request) => {
    const released = await leases.release(request.params.id)
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'ssh-released', subject: request.params.id })
    return released
  })

  const shown = ({ connection, credential, delegation }: Omit<SshEntry, 'node'>): SshNode => ({
    connection: connection && base64url(connection),
    credential: credential && base64url(credential),
    delegation: delegation && { since: delegation.since, by: delegation.by },
    delegateTo: base64url(needs.delegateTo),
  })

  route(api, 'GET', '/nodes/:id/ssh', { params: ById, answer: SshNode }, async (request) => {
    const { id } = await roster.one(request.params.id)
    return shown((await sshNodes.one(id)) ?? NONE)
  })

  route(
    api,
    'PUT',
    '/nodes/:id/ssh',
    { params: ById, body: SshNodePut, answer: SshNode },
    async (request) => {
      const { id } = await known(request.params.id)
      const { connection, credential, delegation } = request.body
      const actor = operatorOf(request).name
      const before = (await sshNodes.one(id)) ?? { node: id, ...NONE }
      const entry: SshEntry = {
        ...before,
        ...(connection !== undefined && { connection: judged('ssh-connection', id, connection) }),
        ...(credential !== undefined && {
          credential: credential === null ? null : judged('ssh-credential', id, credential),
        }),
        ...(delegation !== undefined && {
          delegation:
            delegation === null
              ? null
              : { sealed: bytesOf(delegation, 'delegation'), since: now(), by: actor },
        }),
      }
      const action = delegation ? 'ssh-delegated' : 'ssh-stored'
      await audit.note({ at: now(), actor, action, subject: id })
      await sshNodes.put(entry)
      publish({ kind: 'node-changed', node: id })
      return shown(entry)
    },
  )

  route(api, 'DELETE', '/nodes/:id/ssh', { params: ById, answer: Strict({}) }, async (request) => {
    const { id } = await roster.one(request.params.id)
    const actor = operatorOf(request).name
    await audit.note({ at: now(), actor, action: 'ssh-forgotten', subject: id })
    await sshNodes.remove(id)
    publish({ kind: 'node-changed', node: id })
    return {}
  })

  route(
    api,
    'POST',
    '/nodes/:id/settle',
    { params: ById, body: SettleRequest, answer: SettleAnswer },
    async (request) => {
      const { id } = await guest(request.params.id)
      const actor = operatorOf(request).name
      await audit.note({ at: now(), actor, action: 'ssh-settled', subject: id })
      const { urls } = request.body
      const { result } = await connected(id).request('settle', { urls }, { deadlineMs: SETTLE_MS })
      // Its own agent waits until the one of this session has gone.
      await leave(id)
      return result
    },
  )

  route(
    api,
    'POST',
    '/nodes/:id/forget',
    { params: ById, answer: ForgetAnswer },
    async (request) => {
      const { id } = await guest(request.params.id)
      const actor = operatorOf(request).name
      await audit.note({ at: now(), actor, action: 'ssh-removed', subject: id })
      const { result } = await connected(id).request('forget', {}, { deadlineMs: SETTLE_MS })
      await leave(id)
      return result
    },
  )

  /** One that is still let in: nothing is lent for another. @throws OcmError 'node-unknown', 'node-revoked' */
  async function known(id: string) {
    const node = await roster.one(id)
    if (node.state === 'revoked') throw new OcmError('node-revoked')
    return node
  }

  /** A node that is there over ssh, not at work, and without a fence that is owed or held. */
  async function guest(id: string) {
    const node = await roster.one(id)
    if (node.reach !== 'ssh') throw new OcmError('node-not-ssh')
    // Under a fence its agent is all that knows who speaks.
    if (node.job !== null || node.fence !== undefined) throw new OcmError('node-busy')
    return node
  }

  function connected(id: string) {
    const conversation = presence.get(id)
    if (!conversation) throw new OcmError('node-offline', { reach: 'ssh' })
    return conversation
  }

  async function leave(id: string): Promise<void> {
    links.close(id, 'link-lost')
    await leases.releaseOf(id)
    await sshNodes.remove(id)
    publish({ kind: 'node-changed', node: id })
  }

  function judged(
    kind: 'ssh-connection' | 'ssh-credential',
    node: string,
    text: string,
  ): Uint8Array {
    const statement = bytesOf(text, 'statement')
    const signers = vault.needed().record.operators.map(({ key }) => key)
    judgeStored(p, kind, node, statement, signers)
    return statement
  }
}
