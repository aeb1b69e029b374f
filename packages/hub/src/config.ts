/** What `ocm-hub serve` is told, judged before anything is opened. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { OcmError } from '@ocm/protocol'

export interface Config {
  /** Absolute path of the data directory. */
  readonly data: string
  readonly host: string
  readonly port: number
  readonly publicUrl: URL | undefined
  /** Directory of the built dashboard. */
  readonly ui: string | undefined
  /** Directory of the static files of the API's pages; undefined: where the package keeps them. */
  readonly apiDocs: string | undefined
}

export interface ServeOptions {
  readonly data: string
  readonly host: string
  readonly port: string
  readonly publicUrl?: string
  readonly insecureHttp?: boolean
}

const isLoopback = (host: string) => host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** @throws OcmError 'wrong-use' */
export function configFrom(options: ServeOptions, built: Pick<Config, 'ui' | 'apiDocs'>): Config {
  const port = Number(options.port)
  if (!/^\d{1,5}$/.test(options.port) || port > 65_535) {
    throw new OcmError('wrong-use', { what: '--port takes a number from 0 to 65535' })
  }
  const host = options.host === 'localhost' ? '127.0.0.1' : options.host
  if (isIP(host) === 0) {
    throw new OcmError('wrong-use', { what: '--host takes an IP address' })
  }
  if (!isLoopback(host) && options.insecureHttp !== true) {
    throw new OcmError('wrong-use', {
      what:
        'On an address other than loopback anybody on the network can read and change what the dashboard sends; ' +
        'put a reverse proxy with TLS in front of 127.0.0.1 (and name it with --public-url), or accept it with --insecure-http',
    })
  }
  const publicUrl = options.publicUrl === undefined ? undefined : URL.parse(options.publicUrl)
  if (publicUrl === null || (publicUrl && !/^https?:$/.test(publicUrl.protocol))) {
    throw new OcmError('wrong-use', { what: '--public-url takes an http or https address' })
  }
  return { data: resolve(options.data), host, port, publicUrl, ...built }
}
