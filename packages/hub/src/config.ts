/** What `ocm-hub serve` is told, judged before anything is opened. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { OcmError } from '@ocm/protocol'
import { readBucketKeys } from './packs/s3/keys.ts'
import { type BucketKeys, type BucketPlace, readBucketPlace } from './packs/s3/place.ts'
import type { Tls } from './tls/certificate.ts'

export interface Config {
  /** Absolute path of the data directory. */
  readonly data: string
  readonly host: string
  readonly port: number
  readonly publicUrl: URL | undefined
  readonly tls: Tls | undefined
  /** Addresses and networks whose word counts about who asks. */
  readonly trustedProxies: readonly string[]
  /** Beyond loopback without TLS, because somebody said so. */
  readonly insecure: boolean
  /** Where packs are kept; undefined: in the data directory. */
  readonly bucket: { readonly place: BucketPlace; readonly keys: BucketKeys } | undefined
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
  readonly tls?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly trustedProxy?: readonly string[]
  readonly insecureHttp?: boolean
  readonly packsS3?: string
  readonly packsS3Region?: string
  readonly packsS3Keys?: string
}

const isLoopback = (host: string) => host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** @throws OcmError 'wrong-use', 'secret-file-exposed' */
export function configFrom(
  options: ServeOptions,
  built: Pick<Config, 'ui' | 'apiDocs'>,
  env: NodeJS.ProcessEnv,
): Config {
  const port = Number(options.port)
  if (!/^\d{1,5}$/.test(options.port) || port > 65_535) {
    throw new OcmError('wrong-use', { what: '--port takes a number from 0 to 65535' })
  }
  const host = options.host === 'localhost' ? '127.0.0.1' : options.host
  if (isIP(host) === 0) {
    throw new OcmError('wrong-use', { what: '--host takes an IP address' })
  }
  const tls = tlsFrom(options)
  const isOpen = !isLoopback(host) && tls === undefined
  if (isOpen && options.insecureHttp !== true) {
    throw new OcmError('wrong-use', {
      what:
        'On an address other than loopback anybody on the network can read and change what the dashboard sends; ' +
        'take --tls self, or --tls own with --tls-cert and --tls-key, or put a reverse proxy with TLS in front of ' +
        '127.0.0.1 (and name it with --public-url), or accept it with --insecure-http',
    })
  }
  const publicUrl = options.publicUrl === undefined ? undefined : URL.parse(options.publicUrl)
  if (publicUrl === null || (publicUrl && !/^https?:$/.test(publicUrl.protocol))) {
    throw new OcmError('wrong-use', { what: '--public-url takes an http or https address' })
  }
  const trustedProxies = options.trustedProxy ?? []
  const noProxy = trustedProxies.find((text) => !isNetwork(text))
  if (noProxy !== undefined) {
    throw new OcmError('wrong-use', {
      what: '--trusted-proxy takes an IP address or a network such as 10.0.0.0/8',
    })
  }
  return {
    data: resolve(options.data),
    host,
    port,
    publicUrl,
    tls,
    trustedProxies,
    insecure: isOpen && publicUrl?.protocol !== 'https:',
    bucket: bucketFrom(options, env),
    ...built,
  }
}

/** From the environment too, where several files put one container together. */
function bucketFrom(options: ServeOptions, env: NodeJS.ProcessEnv): Config['bucket'] {
  const address = options.packsS3 ?? env['OCM_PACKS_S3']
  if (address === undefined || address === '') {
    if (options.packsS3Region === undefined && options.packsS3Keys === undefined) return undefined
    throw new OcmError('wrong-use', {
      what: '--packs-s3-region and --packs-s3-keys go with --packs-s3',
    })
  }
  const region = options.packsS3Region ?? env['AWS_REGION'] ?? 'us-east-1'
  return { place: readBucketPlace(address, region), keys: readBucketKeys(options.packsS3Keys, env) }
}

/** @throws OcmError 'wrong-use' */
function tlsFrom({ tls, tlsCert, tlsKey, insecureHttp }: ServeOptions): Tls | undefined {
  const hasFiles = tlsCert !== undefined || tlsKey !== undefined
  if (tls === undefined && !hasFiles) return undefined
  if (insecureHttp === true) {
    throw new OcmError('wrong-use', { what: '--insecure-http and TLS are not for one hub' })
  }
  if (tls === 'self' && !hasFiles) return { kind: 'self' }
  if (tls !== 'self' && tlsCert !== undefined && tlsKey !== undefined) {
    return { kind: 'own', certificate: resolve(tlsCert), key: resolve(tlsKey) }
  }
  throw new OcmError('wrong-use', {
    what: 'TLS takes --tls self, or --tls own with --tls-cert and --tls-key',
  })
}

function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const most = isIP(address) === 4 ? 32 : 128
  const bits = Number(prefix ?? most)
  // A network of every address would take anybody's word about who asks.
  return isIP(address) !== 0 && bits > 0 && bits <= most
}
