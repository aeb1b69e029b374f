/** What goes wrong between hub and bucket: which of it passes, and what people are told. */
import { OcmError } from '@ocm/protocol'

/** The server answered, and not what was asked for. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  /** As the server calls it: 'NoSuchBucket'; empty when it does not say. */
  readonly code: string

  constructor(status: number, code: string) {
    super(`the bucket's server answers ${status}${code === '' ? '' : ` ${code}`}`)
    this.status = status
    this.code = code
  }
}

/** It did not answer, or not to the end. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
}

const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504])
/** Whatever status they come with. The last two: what arrived was not what was sent. */
const PASSING_CODES = new Set([
  'RequestTimeout',
  'SlowDown',
  'OperationAborted',
  'ConditionalRequestConflict',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
])
const PASSING_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
])

const codeOf = (error: unknown) => String((error as NodeJS.ErrnoException).code ?? '')

export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) {
    return PASSING_STATUS.has(error.status) || PASSING_CODES.has(error.code)
  }
  // HTTP that is cut off in its first line, too.
  return (
    error instanceof Unanswered ||
    PASSING_ERRORS.has(codeOf(error)) ||
    codeOf(error).startsWith('HPE_')
  )
}

const SAID: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: "the bucket's server does not know the access key",
  SignatureDoesNotMatch: 'the secret key is not that of the access key',
  AccessDenied: 'these keys do not give the right to do that in this bucket',
  NoSuchBucket: 'there is no such bucket',
  RequestTimeTooSkewed: "the clocks of the hub and of the bucket's server differ too much",
  AuthorizationHeaderMalformed: 'the server asks for another --packs-s3-region',
  PermanentRedirect: 'this bucket has another address',
  QuotaExceeded: 'the bucket is full',
  SlowDown: "the bucket's server asks to be asked less",
}

const WITHOUT_CODE: Readonly<Record<number, string>> = {
  403: 'the server does not accept these keys',
  404: 'there is no such bucket',
  507: 'the bucket is full',
}

function whyOf(error: unknown): string {
  if (error instanceof Refusal) {
    const said = SAID[error.code] ?? WITHOUT_CODE[error.status]
    const named = error.code === '' ? String(error.status) : error.code
    return said === undefined ? error.message : `${said} (${named})`
  }
  if (error instanceof Unanswered) return error.message
  const code = codeOf(error)
  return `the bucket's server cannot be reached${code === '' ? '' : ` (${code})`}`
}

/** What leaves this folder. */
export const storeFailed = (cause: unknown): OcmError =>
  cause instanceof OcmError ? cause : new OcmError('store-failed', { why: whyOf(cause) }, { cause })
