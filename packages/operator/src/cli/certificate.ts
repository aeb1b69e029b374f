/** Whether to believe a hub that shows a certificate of its own: whoever logs in compares it with what the hub printed. */
import { OcmError } from '@ocm/protocol'
import { connect } from '../node.ts'
import { shownCertificate } from '../node/pinned.ts'
import type { Terminal } from './terminal.ts'

/** Node's words for a certificate that no authority vouches for, or that is for another name. */
const UNTRUSTED =
  /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_|ERR_TLS_CERT_ALTNAME_INVALID/

/**
 * @param given a fingerprint that is trusted already
 * @returns the fingerprint to pin, if any. @throws OcmError 'certificate-unknown' where nobody can compare, 'declined'
 */
export async function trusted(
  terminal: Terminal,
  url: string,
  given: string | undefined,
): Promise<{ readonly certificate?: string }> {
  if (given !== undefined) return { certificate: given }
  if (!url.startsWith('https:') || !(await isUntrusted(url))) return {}
  const shown = await shownCertificate(url)
  // What is approved beforehand is not compared with anything.
  if (!terminal.attended) throw new OcmError('certificate-unknown', { shown })
  terminal.say(`Nobody vouches for the certificate of ${url}. It is known by its fingerprint:`)
  terminal.say(`  ${shown}`)
  const same = await terminal.ask(
    'Did the hub print the same when it started? (yes or no)',
    'shown',
  )
  if (!/^y(es)?$/i.test(same.trim())) throw new OcmError('declined')
  return { certificate: shown }
}

async function isUntrusted(url: string): Promise<boolean> {
  try {
    await connect({ url }).api.setupState()
    return false
  } catch (error) {
    if (UNTRUSTED.test(codesOf(error))) return true
    throw error
  }
}

const codesOf = (error: unknown): string =>
  error instanceof Error
    ? `${(error as NodeJS.ErrnoException).code ?? ''} ${codesOf(error.cause)}`
    : ''
