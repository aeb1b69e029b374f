/** The one way a route is made: with its shapes, and behind a login unless it says that it is open. */
import { OcmError } from '@ocm/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'

interface Shapes<B extends TSchema, Q extends TSchema, P extends TSchema, A extends TSchema> {
  readonly body?: B
  readonly query?: Q
  readonly params?: P
  /** Absent when the answer is not JSON. */
  readonly answer?: A
  /** Needs no login. */
  readonly open?: true
  readonly bodyLimit?: number
}

type Asked<B extends TSchema, Q extends TSchema, P extends TSchema> = FastifyRequest<{
  Body: Static<B>
  Querystring: Static<Q>
  Params: Static<P>
}>

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A request that sends nothing may say so with an empty object. */
const NOTHING = { type: ['object', 'null'], additionalProperties: false, maxProperties: 0 }
const NO_QUERY = { type: 'object', additionalProperties: false }

export function route<
  A extends TSchema,
  B extends TSchema = TSchema,
  Q extends TSchema = TSchema,
  P extends TSchema = TSchema,
>(
  api: FastifyInstance,
  method: Method,
  url: string,
  shapes: Shapes<B, Q, P, A>,
  handler: (request: Asked<B, Q, P>, reply: FastifyReply) => Promise<Static<A>>,
): void {
  api.route<{ Body: Static<B>; Querystring: Static<Q>; Params: Static<P> }>({
    method,
    url,
    schema: {
      ...(method === 'GET' || method === 'DELETE' ? {} : { body: shapes.body ?? NOTHING }),
      querystring: shapes.query ?? NO_QUERY,
      ...(shapes.params && { params: shapes.params }),
      ...(shapes.answer && { response: { 200: shapes.answer } }),
      ...(shapes.open && { security: [] }),
    },
    ...(shapes.bodyLimit !== undefined && { bodyLimit: shapes.bodyLimit }),
    onRequest: async (request) => {
      if (!shapes.open && !request.operator) throw new OcmError('login-needed')
    },
    handler: (request, reply) => handler(request as Asked<B, Q, P>, reply),
  })
}
