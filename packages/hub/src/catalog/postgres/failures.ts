/** What PostgreSQL, or the way to it, says when it cannot answer. */
import { OcmError } from '@ocm/protocol'
import { DatabaseError } from 'pg'

/**
 * Not the question, but the database: the connection, what it may do here, its disk, its memory, an end from outside, its
 * own inside. By the first letters of its code.
 */
const NOT_THE_QUESTION = ['08', '25', '28', '3D', '42501', '53', '55', '57', '58', 'F0', 'XX']

/** Undefined when it is not PostgreSQL that speaks. */
const codeOf = (error: unknown): string | undefined =>
  error instanceof DatabaseError ? error.code : undefined

/** @returns an OcmError 'catalog-failed' when it is the database and not the question, 'malformed'; else what was given */
export function failureOf(error: unknown): unknown {
  if (error instanceof OcmError) return error
  const code = codeOf(error)
  // A zero byte in text, which SQLite takes.
  if (code === '22021') return new OcmError('malformed', { what: 'text' }, { cause: error })
  const isAnswer = code !== undefined && !NOT_THE_QUESTION.some((kind) => code.startsWith(kind))
  return isAnswer ? error : new OcmError('catalog-failed', { why: whyOf(error) }, { cause: error })
}

/** For people, from a closed list: what an error itself says may name hosts and accounts. */
function whyOf(error: unknown): string {
  const code = codeOf(error) ?? ''
  if (code.startsWith('28')) return 'PostgreSQL does not let this account in'
  if (code === '3D000') return 'PostgreSQL has no such database'
  if (code === '42501') return 'PostgreSQL does not let this account do that'
  if (code === '25006') return 'PostgreSQL is read-only'
  if (code === '53100') return 'the disk of PostgreSQL is full'
  if (code === '57014') return 'PostgreSQL did not answer in time'
  if (code !== '' && !code.startsWith('08') && !code.startsWith('57P')) return `PostgreSQL: ${code}`
  const { code: network, message } = error as { readonly code?: string; readonly message?: string }
  if (/CERT|SSL|TLS/.test(String(network)) || /SSL|certificate/i.test(String(message))) {
    return 'PostgreSQL and the hub do not agree on TLS'
  }
  return 'PostgreSQL does not answer'
}
