/**
 * By which names the hub lets itself be addressed, and from which pages. A page of another site can make a browser
 * send requests here, and by DNS rebinding even under its own name; both are told by these two headers.
 */
import { isIP } from 'node:net'
import { OcmError } from '@ocm/protocol'
import type { FastifyRequest } from 'fastify'

export interface Addresses {
  /** @throws OcmError 'host-refused' */
  checkHost(request: Pick<FastifyRequest, 'headers'>): void
  /**
   * For what changes something and for websockets. Programs send neither header, browsers always one of them.
   * @throws OcmError 'origin-refused'
   */
  checkOrigin(request: Pick<FastifyRequest, 'headers'>): void
}

/**
 * @param publicUrl under which people reach the hub, when that is not its own address.
 * @param scheme what the hub itself speaks.
 */
export function addressesOf(
  publicUrl: URL | undefined,
  scheme: 'http' | 'https' = 'http',
): Addresses {
  /** An IP address cannot be rebound, and localhost is this machine whoever asks; every other name must be ours. */
  const isOurs = (host: string): boolean => {
    if (publicUrl && host === publicUrl.host) return true
    const parsed = URL.parse(`http://${host}`)
    if (!parsed || parsed.host !== host.replace(/:80$/, '')) return false
    const name = parsed.hostname.replace(/^\[|\]$/g, '')
    return name === 'localhost' || isIP(name) !== 0
  }

  return {
    checkHost({ headers }) {
      if (!isOurs((headers.host ?? '').toLowerCase())) throw new OcmError('host-refused')
    },
    checkOrigin({ headers }) {
      const { host = '', origin } = headers
      const site = headers['sec-fetch-site']
      const same =
        origin === undefined
          ? site === undefined || site === 'same-origin' || site === 'none'
          : origin === `${scheme}://${host}` || origin === publicUrl?.origin
      if (!same) throw new OcmError('origin-refused')
    },
  }
}
