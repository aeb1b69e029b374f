/** A TLS connection to a hub that is known by its certificate alone: exactly that one is taken, whatever names it has. */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { type TLSSocket, connect } from 'node:tls'
import { OcmError, equal } from '@ocm/protocol'

interface Peer {
  readonly host?: string | undefined
  readonly port?: number | string | undefined
}

type Opened = (error: Error | null, socket: TLSSocket) => void

/**
 * As `createConnection` of a request: nothing is sent before the certificate is known to be the one. That its key is
 * held by who shows it is proven by TLS itself.
 * @param pin SHA-256 of the certificate's DER
 */
export const pinned =
  (pin: Uint8Array) =>
  ({ host = '', port }: Peer, opened: Opened): undefined => {
    const servername = isIP(host) === 0 ? host : ''
    const socket = connect({
      host,
      port: Number(port ?? 443),
      servername,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    socket.once('error', (error) => opened(error, socket))
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate()
      if (shown && equal(pinOf(shown), pin)) opened(null, socket)
      else socket.destroy(new OcmError('certificate-changed'))
    })
    return undefined
  }

const pinOf = ({ fingerprint256 }: X509Certificate) =>
  new Uint8Array(Buffer.from(fingerprint256.replaceAll(':', ''), 'hex'))
