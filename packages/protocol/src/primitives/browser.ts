/** Primitives for a page that may be served over plain http: no `crypto.subtle`, only `crypto.getRandomValues`. */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { Decompress } from 'fzstd'
import { argon2id } from 'hash-wasm'
import nacl from 'tweetnacl'
import { concat, hex } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import { ARGON2ID, type Primitives } from './primitives.ts'

/** The order of the base point, least byte first: tweetnacl accepts S and S + L alike, a canonical signature has S < L. */
const L = [
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
]

/** Encodings of the points whose order divides 8, sign bit cleared: as a public key they verify signatures of any message. */
const LOW_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

function hasLowOrder(publicKey: Uint8Array): boolean {
  const unsigned = publicKey.slice()
  unsigned[31] = (unsigned[31] as number) & 0x7f
  return LOW_ORDER.has(hex(unsigned))
}

function isCanonicalScalar(s: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = (s[i] as number) - (L[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

export const browserPrimitives: Primitives = {
  random: (length) => nacl.randomBytes(length),
  sha256: (...parts) => sha256(concat(...parts)),
  sha256Parts() {
    const hash = sha256.create()
    return { update: (part) => void hash.update(part), digest: () => hash.digest() }
  },
  hmacSha256: (key, ...parts) => hmac(sha256, key, concat(...parts)),
  hkdf: (input, salt, info, length) => hkdf(sha256, input, salt, info, length),

  x25519Pair: (secret = nacl.randomBytes(32)) => ({
    secret,
    public: nacl.scalarMult.base(secret),
  }),

  x25519(secret, theirPublic) {
    if (theirPublic.length !== 32) throw new OcmError('crypto-key-invalid', {})
    const shared = nacl.scalarMult(secret, theirPublic)
    if (shared.every((byte) => byte === 0)) throw new OcmError('crypto-key-invalid', {})
    return shared
  },

  ed25519Pair(seed = nacl.randomBytes(32)) {
    return { secret: seed, public: nacl.sign.keyPair.fromSeed(seed).publicKey }
  },

  ed25519Sign: (seed, message) =>
    nacl.sign.detached(message, nacl.sign.keyPair.fromSeed(seed).secretKey),

  ed25519Verify(key, message, signature) {
    if (key.length !== 32 || signature.length !== 64) return false
    if (hasLowOrder(key) || !isCanonicalScalar(signature.subarray(32))) return false
    return nacl.sign.detached.verify(message, signature, key)
  },

  seal: (key, nonce, associated, plain) => chacha20poly1305(key, nonce, associated).encrypt(plain),

  open(key, nonce, associated, sealed) {
    try {
      return chacha20poly1305(key, nonce, associated).decrypt(sealed)
    } catch (cause) {
      throw new OcmError('seal-broken', {}, { cause })
    }
  },

  argon2id: (secret, salt) =>
    argon2id({
      password: secret,
      salt,
      memorySize: ARGON2ID.memoryKiB,
      iterations: ARGON2ID.passes,
      parallelism: ARGON2ID.lanes,
      hashLength: ARGON2ID.bytes,
      outputType: 'binary',
    }),

  unzstd(compressed, plainBytes) {
    const plain = new Uint8Array(plainBytes)
    let at = 0
    try {
      if (!isFrameOf(compressed, plainBytes)) throw new TypeError('not one frame of that length')
      const stream = new Decompress((part) => {
        plain.set(part, at)
        at += part.length
      })
      stream.push(compressed, true)
    } catch (cause) {
      throw new OcmError('malformed', { what: 'segment' }, { cause })
    }
    if (at !== plainBytes) throw new OcmError('malformed', { what: 'segment' })
    return plain
  },
}

/**
 * Whether these are one Zstandard frame, whole and nothing behind it, that declares this content size and no larger
 * window (RFC 8878). fzstd itself allocates what a frame asks for, and takes frames that are shorter than they say.
 */
function isFrameOf(bytes: Uint8Array, plainBytes: number): boolean {
  const descriptor = bytes[4] ?? 0
  const isSingleSegment = (descriptor & 0x20) !== 0
  const hasDictionaryOrReserved = (descriptor & 0x0b) !== 0
  const sizeBytes = [1, 2, 4, 8][descriptor >> 6] as number
  if (hex(bytes.subarray(0, 4)) !== '28b52ffd' || !isSingleSegment || hasDictionaryOrReserved) {
    return false
  }
  let declared = sizeBytes === 2 ? 256 : 0
  for (let i = 0; i < sizeBytes; i++) declared += (bytes[5 + i] ?? 0) * 2 ** (8 * i)
  if (declared !== plainBytes) return false

  let at = 5 + sizeBytes
  for (let isLast = false; !isLast;) {
    if (at + 3 > bytes.length) return false
    const block =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
    isLast = (block & 1) === 1
    const isRun = ((block >> 1) & 3) === 1
    at += 3 + (isRun ? 1 : block >> 3)
  }
  const hasChecksum = (descriptor & 4) !== 0
  return at + (hasChecksum ? 4 : 0) === bytes.length
}
