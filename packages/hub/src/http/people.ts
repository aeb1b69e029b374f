/** Set-up, login, logout and API tokens. */
import {
  base64url,
  Id,
  LoginRequest,
  Me,
  SetupRequest,
  SetupState,
  Strict,
  TokenIssued,
  TokenRequest,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { login, type LoginNeeds } from '../people/login.ts'
import type { Sessions } from '../people/sessions.ts'
import { setUp, type SetupNeeds } from '../people/setup.ts'
import { route } from './route.ts'
import { type Cookies, operatorOf } from './who.ts'

export interface PeopleNeeds {
  readonly sessions: Sessions
  readonly cookies: Cookies
  readonly setup: SetupNeeds
  readonly login: LoginNeeds
  readonly version: string
  /** What a client learns of how the hub is reached before anybody is logged in. */
  readonly reached: Pick<SetupState, 'certificate' | 'insecure'>
}

const TokenList = Type.Array(
  Strict({ id: Id, label: Type.String(), createdAt: Type.Integer({ minimum: 0 }) }),
)

export function peopleRoutes(api: FastifyInstance, needs: PeopleNeeds): void {
  const { sessions, cookies } = needs
  const { audit, people, now } = needs.login

  route(api, 'GET', '/setup', { answer: SetupState, open: true }, async () => ({
    open: !(await people.isSetUp()),
    hubKey: base64url(needs.setup.hubKey),
    version: needs.version,
    ...needs.reached,
  }))

  route(
    api,
    'POST',
    '/setup',
    { body: SetupRequest, answer: Me, open: true },
    async (request, reply) => {
      const { id, name } = await setUp(needs.setup, request.body, request.ip)
      cookies.set(reply, await sessions.begin(id))
      return { name, operator: id }
    },
  )

  route(
    api,
    'POST',
    '/login',
    { body: LoginRequest, answer: Me, open: true },
    async (request, reply) => {
      const { id, name } = await login(needs.login, request.body, request.ip)
      const old = cookies.secretOf(request)
      if (old !== undefined) await sessions.end(old)
      cookies.set(reply, await sessions.begin(id))
      return { name, operator: id }
    },
  )

  route(api, 'POST', '/logout', { answer: Strict({}) }, async (request, reply) => {
    const secret = cookies.secretOf(request)
    if (secret !== undefined) await sessions.end(secret)
    cookies.clear(reply)
    void reply.header('clear-site-data', '"storage"')
    return {}
  })

  route(api, 'GET', '/me', { answer: Me }, async (request) => {
    const { id, name } = operatorOf(request)
    return { name, operator: id }
  })

  route(api, 'GET', '/tokens', { answer: TokenList }, (request) =>
    sessions.tokens(operatorOf(request).id),
  )

  route(api, 'POST', '/tokens', { body: TokenRequest, answer: TokenIssued }, async (request) => {
    const { id, name } = operatorOf(request)
    const issued = await sessions.issueToken(id, request.body.label)
    await audit.note({ at: now(), actor: name, action: 'token-issued', subject: issued.id })
    return issued
  })

  route(
    api,
    'DELETE',
    '/tokens/:id',
    { params: Strict({ id: Id }), answer: Strict({}) },
    async (request) => {
      const { id, name } = operatorOf(request)
      await sessions.removeToken(id, request.params.id)
      await audit.note({
        at: now(),
        actor: name,
        action: 'token-removed',
        subject: request.params.id,
      })
      return {}
    },
  )
}
