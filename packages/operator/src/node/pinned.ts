/** https to a hub that is known by its certificate alone: exactly that one is taken, whatever names it has. */
import https from 'node:https'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import { type TLSSocket, connect } from 'node:tls'
import { OcmError, readCertificatePin, writeCertificatePin } from '@ocm/protocol'

interface Peer {
  readonly host?: string | null | undefined
  readonly port?: number | string | null | undefined
}

type Opened = (error: Error | null, socket: TLSSocket) => void

const open = ({ host, port }: Peer): TLSSocket =>
  connect({
    host: host ?? '',
    port: Number(port ?? 443),
    servername: isIP(host ?? '') === 0 ? (host ?? '') : '',
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  })

/**
 * As `createConnection` of a request: nothing is sent before the certificate is known to be the one. That its key is
 * held by who shows it is proven by TLS itself.
 * @param certificate its fingerprint, as people write it
 */
export function pinned(certificate: string) {
  const pin = writeCertificatePin(readCertificatePin(certificate))
  return (peer: Peer, opened: Opened): undefined => {
    const socket = open(peer)
    socket.once('error', (error) => opened(error, socket))
    socket.once('secureConnect', () => {
      if (socket.getPeerX509Certificate()?.fingerprint256 === pin) opened(null, socket)
      else socket.destroy(new OcmError('certificate-changed'))
    })
    return undefined
  }
}

/** Keeps its connections, as an agent without a pin does. */
export function pinnedAgent(certificate: string): https.Agent {
  const agent = new https.Agent({ keepAlive: true })
  const createConnection = pinned(certificate)
  return Object.assign(agent, { createConnection })
}

/** As much of `fetch` as the API client uses. Redirects are not followed. */
export function pinnedFetch(certificate: string): typeof fetch {
  const agent = pinnedAgent(certificate)
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const { method = 'GET', body, signal } = init
      const headers = Object.fromEntries(new Headers(init.headers))
      const url = new URL(input instanceof Request ? input.url : input)
      const options = { agent, method, headers, ...(signal ? { signal } : {}) }
      const asked = https.request(url, options, (answer) => {
        const status = answer.statusCode ?? 0
        if (status >= 300 && status < 400) {
          answer.destroy()
          return reject(new TypeError('redirected'))
        }
        const said = new Headers()
        for (const [name, value] of Object.entries(answer.headersDistinct)) {
          for (const one of value ?? []) said.append(name, one)
        }
        const isEmpty = status === 204 || method === 'HEAD'
        const content = isEmpty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>)
        resolve(new Response(content, { status, headers: said }))
      })
      asked.on('error', reject)
      asked.end(typeof body === 'string' ? body : undefined)
    })
}

/** The fingerprint of what a hub shows, for a person to compare. @throws OcmError 'hub-unreachable' */
export function shownCertificate(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = open({ host, port: port === '' ? 443 : port })
    socket.once('error', (cause) => reject(new OcmError('hub-unreachable', {}, { cause })))
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '')
      socket.destroy()
    })
  })
}
