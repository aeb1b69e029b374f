/** A certificate that nobody vouches for: whoever uses it compares or pins its fingerprint. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import {
  bits,
  flags,
  integer,
  letters,
  octets,
  oid,
  sequence,
  set,
  tagged,
  time,
  yes,
} from './der.ts'

export interface Pair {
  /** PEM, PKCS #8. */
  readonly key: string
  /** PEM. */
  readonly certificate: string
}

const DAY_MS = 86_400_000
/** What pins it does not ask how old it is. Browsers make an exception of it by hand anyway. */
const DAYS = 3650

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

/**
 * ECDSA on P-256, which every browser and OpenSSL take.
 * @param names DNS names and IP addresses
 */
export function selfSigned(names: readonly string[], now: number): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(set(sequence(oid('2.5.4.3'), letters('OCM hub'))))
  const body = sequence(
    tagged(0, integer(Uint8Array.of(2)), 'made'),
    // The sign of a serial number is positive, and no two hubs have the same.
    integer(Uint8Array.of(1, ...randomBytes(15))),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(now - DAY_MS), time(now + DAYS * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      3,
      sequence(
        // An end entity: it vouches for no other certificate.
        critical('2.5.29.19', sequence()),
        critical('2.5.29.15', flags(0x80, 7)),
        extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
        extension('2.5.29.17', sequence(...names.map(alternative))),
      ),
      'made',
    ),
  )
  const signature = sign('sha256', body, privateKey)
  const der = sequence(body, ECDSA_WITH_SHA256, bits(signature))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: pem(der),
  }
}

const extension = (id: string, value: Uint8Array) => sequence(oid(id), octets(value))
const critical = (id: string, value: Uint8Array) => sequence(oid(id), yes, octets(value))

const alternative = (name: string): Uint8Array =>
  isIP(name) === 0 ? tagged(2, Buffer.from(name)) : tagged(7, addressBytes(name))

const groupsOf = (part: string) => (part === '' ? [] : part.split(':'))

function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number))
  const whole = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? '::'
  const [head = '', tail] = whole.split('::')
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')]
  const between = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Uint8Array.from(
    [...before, ...(tail === undefined ? [] : between), ...after].flatMap((group) => {
      const value = Number.parseInt(group, 16)
      return [value >> 8, value & 0xff]
    }),
  )
}

const pem = (der: Uint8Array): string =>
  [
    '-----BEGIN CERTIFICATE-----',
    ...(Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []),
    '-----END CERTIFICATE-----',
    '',
  ].join('\n')
