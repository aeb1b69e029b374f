/** Primitives over node:crypto and node:zlib; the only file of this package that may import from Node. */
import * as crypto from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { zstdDecompressSync } from 'node:zlib'
import { OcmError } from '../errors.ts'
import { free } from '../free.ts'
import { ARGON2ID, type KeyPair, type Primitives } from './primitives.ts'

/** Fixed DER prefixes: node:crypto takes raw 32-byte keys only inside these. */
const SPKI = { x25519: '302a300506032b656e032100', ed25519: '302a300506032b6570032100' } as const
const PKCS8 = {
  x25519: '302e020100300506032b656e04220420',
  ed25519: '302e020100300506032b657004220420',
} as const
type Curve = keyof typeof SPKI

const publicKey = (curve: Curve, raw: Uint8Array) =>
  crypto.createPublicKey({ key: der(SPKI[curve], raw), format: 'der', type: 'spki' })
const privateKey = (curve: Curve, raw: Uint8Array) =>
  crypto.createPrivateKey({ key: der(PKCS8[curve], raw), format: 'der', type: 'pkcs8' })

function der(prefix: string, raw: Uint8Array): Buffer {
  if (raw.length !== 32) throw new OcmError('crypto-key-invalid', {})
  return Buffer.concat([Buffer.from(prefix, 'hex'), raw])
}

function pair(curve: Curve, secret: Uint8Array): KeyPair {
  const key = crypto.createPublicKey(privateKey(curve, secret))
  return {
    secret,
    public: new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(12)),
  }
}

const TAG = 16

/** Made once for a key: to hand a raw key to a cipher costs more than to seal a short message with it. */
const secretKeys = new WeakMap<Uint8Array, crypto.KeyObject>()

function secretKey(raw: Uint8Array): crypto.KeyObject {
  const known = secretKeys.get(raw)
  if (known) return known
  const key = crypto.createSecretKey(raw)
  secretKeys.set(raw, key)
  return key
}

/** Buffers of at least so many bytes are counted, and after so many of them the young are collected. */
const LARGE = 16 * 1024
const OFTEN = 2 * 2 ** 20

let handedOut = 0
let isFreed = false

/** For a thread that gives each large buffer back at once, by `transfer`: nothing of them is left to be collected. */
export function freesWhatItIsHanded(): void {
  isFreed = true
}

/**
 * V8 lets large buffers pile up until it collects everything, old and young, once for every few megabytes of them: that
 * costs several times what it costs to seal them. They die young, and the young alone are collected in a millisecond.
 * @param bytes of a buffer that somebody was handed, and will soon be done with
 */
export function handOut(bytes: number): void {
  if (bytes < LARGE || isFreed) return
  handedOut += bytes
  if (handedOut < OFTEN) return
  handedOut = 0
  collectGarbage({ type: 'minor' })
}

/** How V8 collects: the young, or all; as its last resort it gives back the pages it has emptied, too. */
export type Collecting =
  | { readonly type: 'minor' }
  | { readonly type: 'major'; readonly flavor: 'regular' | 'last-resort' }

let collector: ((how: Collecting & { readonly execution: 'sync' }) => void) | undefined

/** Has V8 collect at once: of memory outside its heap it does not see how much there is. */
export function collectGarbage(how: Collecting): void {
  if (!collector) {
    setFlagsFromString('--expose-gc')
    collector = runInNewContext('gc') as NonNullable<typeof collector>
  }
  collector({ ...how, execution: 'sync' })
}

const viewOf = (buffer: Buffer) => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

/** RFC 2104 over two one-shot hashes: a mac object costs several times as much as what it does to a short message. */
function hmacOfShort(key: Uint8Array, message: Uint8Array): Uint8Array {
  const pads = padsOf(key)
  pads.inner.set(message, BLOCK)
  const inner = crypto.hash('sha256', pads.inner.subarray(0, BLOCK + message.length), 'buffer')
  pads.outer.set(inner, BLOCK)
  return viewOf(crypto.hash('sha256', pads.outer, 'buffer'))
}

const BLOCK = 64
const knownPads = new WeakMap<Uint8Array, { inner: Uint8Array; outer: Uint8Array }>()

/** A key's blocks with room behind them; a key is not changed once it has been used. */
function padsOf(key: Uint8Array) {
  const known = knownPads.get(key)
  if (known) return known
  const pads = { inner: new Uint8Array(2 * BLOCK), outer: new Uint8Array(BLOCK + 32) }
  pads.inner.fill(0x36, 0, BLOCK)
  pads.outer.fill(0x5c, 0, BLOCK)
  for (const [at, byte] of key.entries()) {
    pads.inner[at] = 0x36 ^ byte
    pads.outer[at] = 0x5c ^ byte
  }
  knownPads.set(key, pads)
  return pads
}

export const nodePrimitives: Primitives = {
  random: (length) => new Uint8Array(crypto.randomBytes(length)),

  sha256(...parts) {
    const [only] = parts
    if (only && parts.length === 1) return viewOf(crypto.hash('sha256', only, 'buffer'))
    const hash = crypto.createHash('sha256')
    for (const part of parts) hash.update(part)
    return new Uint8Array(hash.digest())
  },

  sha256Parts() {
    const hash = crypto.createHash('sha256')
    return {
      update: (part) => void hash.update(part),
      digest: () => new Uint8Array(hash.digest()),
    }
  },

  hmacSha256(key, ...parts) {
    const [only] = parts
    if (only && parts.length === 1 && key.length <= 64 && only.length <= 64) {
      return hmacOfShort(key, only)
    }
    const mac = crypto.createHmac('sha256', key)
    for (const part of parts) mac.update(part)
    return new Uint8Array(mac.digest())
  },

  hkdf: (input, salt, info, length) =>
    new Uint8Array(crypto.hkdfSync('sha256', input, salt, info, length)),

  x25519Pair: (secret = new Uint8Array(crypto.randomBytes(32))) => pair('x25519', secret),

  x25519(secret, theirPublic) {
    try {
      return new Uint8Array(
        crypto.diffieHellman({
          privateKey: privateKey('x25519', secret),
          publicKey: publicKey('x25519', theirPublic),
        }),
      )
    } catch (cause) {
      throw new OcmError('crypto-key-invalid', {}, { cause })
    }
  },

  ed25519Pair: (seed = new Uint8Array(crypto.randomBytes(32))) => pair('ed25519', seed),

  ed25519Sign: (seed, message) =>
    new Uint8Array(crypto.sign(null, message, privateKey('ed25519', seed))),

  ed25519Verify(key, message, signature) {
    if (key.length !== 32 || signature.length !== 64) return false
    return crypto.verify(null, message, publicKey('ed25519', key), signature)
  },

  seal(key, nonce, associated, plain) {
    const cipher = crypto.createCipheriv('chacha20-poly1305', secretKey(key), nonce, {
      authTagLength: TAG,
    })
    cipher.setAAD(associated, { plaintextLength: plain.length })
    const body = cipher.update(plain)
    cipher.final()
    const sealed = viewOf(Buffer.allocUnsafeSlow(body.length + TAG))
    sealed.set(body)
    sealed.set(cipher.getAuthTag(), body.length)
    free(body)
    handOut(body.length)
    return sealed
  },

  open(key, nonce, associated, sealed) {
    const length = sealed.length - TAG
    if (length < 0) throw new OcmError('seal-broken', {})
    try {
      const decipher = crypto.createDecipheriv('chacha20-poly1305', secretKey(key), nonce, {
        authTagLength: TAG,
      })
      decipher.setAAD(associated, { plaintextLength: length })
      decipher.setAuthTag(sealed.subarray(length))
      const plain = decipher.update(sealed.subarray(0, length))
      decipher.final()
      handOut(plain.length)
      return viewOf(plain)
    } catch (cause) {
      throw new OcmError('seal-broken', {}, { cause })
    }
  },

  argon2id: (secret, salt) =>
    new Promise((resolve, reject) => {
      crypto.argon2(
        'argon2id',
        {
          message: secret,
          nonce: salt,
          memory: ARGON2ID.memoryKiB,
          passes: ARGON2ID.passes,
          parallelism: ARGON2ID.lanes,
          tagLength: ARGON2ID.bytes,
        },
        (error, key) => (error ? reject(error) : resolve(new Uint8Array(key))),
      )
    }),

  unzstd(compressed, plainBytes) {
    let plain: Buffer
    try {
      plain = zstdDecompressSync(compressed, {
        maxOutputLength: Math.max(plainBytes, 1),
        // With room to spare it is one piece: pieces are made one by one and copied together.
        chunkSize: plainBytes + 64,
      })
    } catch (cause) {
      throw new OcmError('malformed', { what: 'segment' }, { cause })
    }
    if (plain.length !== plainBytes) throw new OcmError('malformed', { what: 'segment' })
    return plain
  },
}
