/** Which operator a request comes from. */
import { OcmError } from '@ocm/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operator } from '../people/ports.ts'
import { SESSION_WHOLE_MS, type Sessions } from '../people/sessions.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route under /api but those that need no login. */
    operator: Operator | null
  }
}

const PLAIN = 'ocm_sid'
/** A browser takes this name over https only, and from no other path or domain. */
const SECURE = '__Host-ocm_sid'

export interface Cookies {
  secretOf(request: FastifyRequest): string | undefined
  set(reply: FastifyReply, secret: string): void
  clear(reply: FastifyReply): void
}

export function cookies(secure: boolean): Cookies {
  const name = secure ? SECURE : PLAIN
  const options = { httpOnly: true, sameSite: 'strict', path: '/', secure } as const
  return {
    secretOf: (request) => request.cookies[name],
    set: (reply, secret) =>
      void reply.setCookie(name, secret, { ...options, maxAge: SESSION_WHOLE_MS / 1000 }),
    clear: (reply) => void reply.clearCookie(name, options),
  }
}

/** The operator behind a bearer token or else a session cookie; undefined when there is none. */
export async function whoAsks(
  request: FastifyRequest,
  sessions: Pick<Sessions, 'whose' | 'whoseToken'>,
  cookie: Cookies,
): Promise<Operator | undefined> {
  const { authorization } = request.headers
  if (authorization !== undefined) {
    const token = /^Bearer ([\w-]{16,128})$/.exec(authorization)?.[1]
    return token === undefined ? undefined : sessions.whoseToken(token)
  }
  const secret = cookie.secretOf(request)
  return secret === undefined ? undefined : sessions.whose(secret)
}

/** @throws OcmError 'login-needed' */
export function operatorOf(request: FastifyRequest): Operator {
  if (!request.operator) throw new OcmError('login-needed')
  return request.operator
}
