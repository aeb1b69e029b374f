/** The certificate that the hub serves: the operator's own, or one that was made at the first start and is kept. */
import { type KeyObject, X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname, networkInterfaces } from 'node:os'
import { OcmError } from '@ocm/protocol'
import { readSecretIfThere, writeDurably } from '../durable.ts'
import { selfSigned } from './self-signed.ts'

export type Tls =
  | { readonly kind: 'own'; readonly certificate: string; readonly key: string }
  | { readonly kind: 'self' }

export interface Served {
  /** PEM, with what stands between it and its authority. */
  readonly certificate: string
  readonly key: string
  /** SHA-256 of the certificate's DER, for what pins it; of one that an authority vouches for there is nothing to pin. */
  readonly pin: Uint8Array | undefined
}

export interface CertificateNeeds {
  readonly data: string
  /** What people and nodes call the hub, besides the names of this machine. */
  readonly publicName: string | undefined
  readonly now: number
}

/** @throws OcmError 'certificate-unusable'; 'store-failed' when the hub's own cannot be read */
export async function certificateOf(tls: Tls, needs: CertificateNeeds): Promise<Served> {
  return tls.kind === 'own' ? ownCertificate(tls) : keptCertificate(needs)
}

async function ownCertificate(tls: Extract<Tls, { kind: 'own' }>): Promise<Served> {
  const certificate = await read(tls.certificate, 'certificate')
  const key = await read(tls.key, 'key')
  const [leaf, secret] = parsed(certificate, key)
  if (!leaf.checkPrivateKey(secret)) throw new OcmError('certificate-unusable', { why: 'mismatch' })
  return { certificate, key, pin: leaf.verify(leaf.publicKey) ? pinOf(leaf) : undefined }
}

/** One file holds both, so that there is no moment with half of them. */
async function keptCertificate({ data, publicName, now }: CertificateNeeds): Promise<Served> {
  const path = `${data}/keys/tls.pem`
  const kept = await readSecretIfThere(path)
  if (kept === undefined) {
    const { key, certificate } = selfSigned(namesOf(publicName), now)
    await writeDurably(path, key + certificate)
    return { key, certificate, pin: pinOf(new X509Certificate(certificate)) }
  }
  const both = Buffer.from(kept).toString()
  const [leaf, key] = parsed(both, both)
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key: pem, certificate: leaf.toString(), pin: pinOf(leaf) }
}

function parsed(certificate: string, key: string): [X509Certificate, KeyObject] {
  try {
    const begin = certificate.indexOf('-----BEGIN CERTIFICATE-----')
    return [new X509Certificate(certificate.slice(Math.max(begin, 0))), createPrivateKey(key)]
  } catch (cause) {
    throw new OcmError('certificate-unusable', { why: 'form' }, { cause })
  }
}

async function read(path: string, why: 'certificate' | 'key'): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new OcmError('certificate-unusable', { why }, { cause })
  }
}

const pinOf = (leaf: X509Certificate) =>
  new Uint8Array(Buffer.from(leaf.fingerprint256.replaceAll(':', ''), 'hex'))

/** Under which a browser on this network may come. */
function namesOf(publicName: string | undefined): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((found) =>
    (found ?? []).filter(({ scopeid }) => !scopeid).map(({ address }) => address),
  )
  const host = hostname().toLowerCase()
  const names = [publicName ?? 'localhost', 'localhost', ...addresses, '127.0.0.1', '::1', host]
  return [...new Set(names)].filter((name) => /^[\w.:-]+$/.test(name))
}
