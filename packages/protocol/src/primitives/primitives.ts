/**
 * The cryptographic functions this package stands on, handed in so that it runs alike on Node (node:crypto) and
 * in a browser on a plain http page, where WebCrypto's `subtle` does not exist.
 * Both implementations pass `primitives.contract.ts`. All lengths in bytes.
 */
export interface KeyPair {
  /** Ed25519: the 32-byte seed. X25519: the 32-byte scalar. */
  readonly secret: Uint8Array
  readonly public: Uint8Array
}

/** SHA-256 of what does not fit in memory at once. `digest` ends it. */
export interface Hasher {
  update(part: Uint8Array): void
  digest(): Uint8Array
}

export interface Primitives {
  random(length: number): Uint8Array
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  sha256Parts(): Hasher
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array
  /** RFC 5869 with SHA-256. */
  hkdf(input: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array

  /** A new pair, or the pair of a known scalar. */
  x25519Pair(secret?: Uint8Array): KeyPair
  /** @throws OcmError 'crypto-key-invalid' when the shared secret would be all zero (a point of low order). */
  x25519(secret: Uint8Array, theirPublic: Uint8Array): Uint8Array

  /** A new pair, or the pair of a known seed. */
  ed25519Pair(seed?: Uint8Array): KeyPair
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array
  /** False, never an exception, for anything that is not a canonical signature by a point of full order. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean

  /** ChaCha20-Poly1305 (RFC 8439): 32-byte key, 12-byte nonce; answers ciphertext and the 16-byte tag behind it. */
  seal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plain: Uint8Array): Uint8Array
  /** @throws OcmError 'seal-broken' */
  open(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array

  /** argon2id with OCM's only parameters: 64 MiB, 3 passes, 1 lane, 32 bytes out. They are constants so that no server can weaken them. */
  argon2id(secret: Uint8Array, salt: Uint8Array): Promise<Uint8Array>

  /**
   * Zstandard, bounded before anything is written.
   * @throws OcmError 'malformed' when the result is not exactly `plainBytes` long.
   */
  unzstd(compressed: Uint8Array, plainBytes: number): Uint8Array
}

export const ARGON2ID = { memoryKiB: 64 * 1024, passes: 3, lanes: 1, bytes: 32 } as const
