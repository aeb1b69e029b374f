/** Where a bucket is, and what opens it. */
import { OcmError } from '@ocm/protocol'

export interface BucketPlace {
  /** Scheme, host and port. */
  readonly endpoint: string
  readonly bucket: string
  /** Before the name of each object: empty, or ends in a slash. */
  readonly prefix: string
  readonly region: string
}

export interface BucketKeys {
  readonly id: string
  readonly secret: string
  /** Of keys that are lent for a time. */
  readonly token?: string | undefined
}

const NAME = /^[a-z0-9][a-z0-9._-]{1,62}$/i
const REGION = /^[a-z0-9-]{1,64}$/i

/**
 * @param text `https://host:port/bucket` or `https://host:port/bucket/some/prefix`
 * @throws OcmError 'wrong-use'
 */
export function readBucketPlace(text: string, region: string): BucketPlace {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw wrong('--packs-s3 takes an address such as https://s3.example.net/bucket')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw wrong('--packs-s3 takes an address without keys; they go into --packs-s3-keys')
  }
  const [bucket = '', ...folders] = url.pathname
    .split('/')
    .slice(1)
    .filter((part, i, all) => part !== '' || i < all.length - 1)
  if (!NAME.test(bucket)) throw wrong('--packs-s3 ends in the name of a bucket')
  if (!folders.every((folder) => /^[\w.-]+$/.test(folder))) {
    throw wrong('the prefix behind the bucket consists of letters, digits, dots, - and _')
  }
  if (!REGION.test(region)) throw wrong('--packs-s3-region takes the name of a region')
  return {
    endpoint: url.origin,
    bucket,
    prefix: folders.map((folder) => `${folder}/`).join(''),
    region,
  }
}

const wrong = (what: string) => new OcmError('wrong-use', { what })

/** As people named it. */
export const writeBucketPlace = ({ endpoint, bucket, prefix }: BucketPlace): string =>
  `${endpoint}/${bucket}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`
