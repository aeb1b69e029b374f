/** The one shape in which the API fails, and the only place that knows HTTP statuses. */
import { type ApiError, type ErrorCode, OcmError } from '@ocm/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'

/** What is not named here is a conflict with how things stand: 409. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  malformed: 400,
  'wrong-use': 400,
  'signature-invalid': 400,
  'vault-changed': 400,
  'login-failed': 401,
  'login-needed': 401,
  'not-allowed': 403,
  'setup-link-invalid': 403,
  'origin-refused': 403,
  'not-found': 404,
  'node-unknown': 404,
  'host-refused': 421,
  'too-many-requests': 429,
  internal: 500,
  'pack-damaged': 500,
  'catalog-failed': 503,
  'catalog-in-use': 503,
  'store-failed': 503,
  'node-offline': 503,
  'deadline-passed': 504,
}

const statusOf = (code: ErrorCode): number => STATUS[code] ?? 409

const bodyOf = (error: OcmError, requestId: string): ApiError => ({
  code: error.code,
  message: error.message,
  facts: error.facts,
  next: error.next,
  help: `/help#${error.code}`,
  requestId,
})

export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = asOcmError(error)
  const status = statusOf(known.code)
  if (status >= 500) request.log.error({ err: error, code: known.code }, 'request failed')
  else request.log.info({ code: known.code }, 'request refused')
  if (known.code === 'too-many-requests') {
    void reply.header('retry-after', Number(known.facts['seconds'] ?? 60))
  }
  void reply.status(status).type('application/json').send(bodyOf(known, request.id))
}

export function answerNotFound(request: FastifyRequest, reply: FastifyReply): void {
  answerError(new OcmError('not-found', { what: 'page' }), request, reply)
}

function asOcmError(error: unknown): OcmError {
  if (error instanceof OcmError) return error
  const { validation, validationContext, statusCode } = error as Partial<FastifyError>
  if (validation) {
    return new OcmError('malformed', {
      what: validationContext ?? 'request',
      where: validation[0]?.instancePath ?? '',
      rule: validation[0]?.keyword ?? '',
    })
  }
  // Fastify's own: not JSON, another content type, too long.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new OcmError('malformed', { what: 'request' }, { cause: error })
  }
  return new OcmError('internal', {}, { cause: error })
}
