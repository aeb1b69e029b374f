/**
 * Noise_XX_25519_ChaChaPoly_SHA256 (revision 34 of the Noise specification), over whatever Primitives it is given.
 * Any error leaves the handshake useless: throw it away and close the carrier.
 */
import { concat, utf8 } from '../bytes.ts'
import { OcmError } from '../errors.ts'
import type { KeyPair, Primitives } from '../primitives/primitives.ts'

/** 32 bytes long, so by the specification it is the first hash as it stands. */
const NAME = utf8('Noise_XX_25519_ChaChaPoly_SHA256')
const EMPTY: Uint8Array = new Uint8Array()
const KEY = 32
const TAG = 16
const REKEY_NONCE = Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255)

/** One direction: a key and a counter that is never sent, so what is lost, repeated or reordered does not open. */
export class CipherState {
  readonly #p: Primitives
  #key: Uint8Array
  #count = 0

  constructor(p: Primitives, key: Uint8Array) {
    this.#p = p
    this.#key = key
  }

  seal(associated: Uint8Array, plain: Uint8Array): Uint8Array {
    return this.#p.seal(this.#key, this.#next(), associated, plain)
  }

  /** @throws OcmError 'seal-broken' */
  open(associated: Uint8Array, sealed: Uint8Array): Uint8Array {
    return this.#p.open(this.#key, this.#next(), associated, sealed)
  }

  rekey(): void {
    this.#key = this.#p.seal(this.#key, REKEY_NONCE, EMPTY, new Uint8Array(KEY)).subarray(0, KEY)
  }

  #next(): Uint8Array {
    // 2^64 in the specification; doubles count to 2^53, which no link reaches.
    if (this.#count >= Number.MAX_SAFE_INTEGER) throw new OcmError('internal')
    const nonce = new Uint8Array(12)
    const view = new DataView(nonce.buffer)
    view.setUint32(4, this.#count % 2 ** 32, true)
    view.setUint32(8, Math.floor(this.#count / 2 ** 32), true)
    this.#count++
    return nonce
  }
}

export interface NoiseOptions {
  readonly initiator: boolean
  /** What both sides must hold for true without having sent it. */
  readonly prologue: Uint8Array
  readonly static: KeyPair
  /** For vectors; otherwise made anew. */
  readonly ephemeral?: KeyPair
}

export interface NoiseSplit {
  readonly sending: CipherState
  readonly receiving: CipherState
  /** Names this handshake: both sides have it, and no other handshake ends with it. */
  readonly hash: Uint8Array
}

/** Parts of the three messages, as the pattern XX lists them. */
const PATTERN = [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']] as const
type Token = (typeof PATTERN)[number][number]

/** Of messages that are written and read in turn: the initiator writes the first, reads the second, writes the third. */
export class NoiseXX {
  readonly #p: Primitives
  readonly #initiator: boolean
  readonly #static: KeyPair
  readonly #ephemeral: KeyPair
  #theirEphemeral: Uint8Array = EMPTY
  #theirStatic: Uint8Array = EMPTY
  #hash: Uint8Array = NAME
  #chaining: Uint8Array = NAME
  #cipher: CipherState | null = null
  #step = 0

  constructor(p: Primitives, options: NoiseOptions) {
    this.#p = p
    this.#initiator = options.initiator
    this.#static = options.static
    this.#ephemeral = options.ephemeral ?? p.x25519Pair()
    this.#mixHash(options.prologue)
  }

  /** @param payload the bytes, or what to make them of the transcript's hash so far (to sign it). */
  write(payload: Uint8Array | ((hash: Uint8Array) => Uint8Array) = EMPTY): Uint8Array {
    const parts = this.#turn(true).map((token) => this.#writeToken(token))
    parts.push(this.#seal(typeof payload === 'function' ? payload(this.#hash) : payload))
    return concat(...parts)
  }

  /**
   * @returns the payload, and the hash that the other side could sign in it.
   * @throws OcmError 'malformed', 'seal-broken', 'crypto-key-invalid'
   */
  read(message: Uint8Array): { readonly payload: Uint8Array; readonly hash: Uint8Array } {
    let rest = message
    for (const token of this.#turn(false)) rest = this.#readToken(token, rest)
    const hash = this.#hash
    return { payload: this.#open(rest), hash }
  }

  /** After the third message. */
  split(): NoiseSplit {
    if (this.#step !== PATTERN.length) throw new OcmError('internal')
    const [first, second] = this.#derive(EMPTY).map((key) => new CipherState(this.#p, key)) as [
      CipherState,
      CipherState,
    ]
    const [sending, receiving] = this.#initiator ? [first, second] : [second, first]
    return { sending, receiving, hash: this.#hash }
  }

  #turn(writing: boolean): readonly Token[] {
    const tokens = PATTERN[this.#step]
    const mine = (this.#step % 2 === 0) === this.#initiator
    if (!tokens || mine !== writing) throw new OcmError('internal')
    this.#step++
    return tokens
  }

  #writeToken(token: Token): Uint8Array {
    switch (token) {
      case 'e':
        this.#mixHash(this.#ephemeral.public)
        return this.#ephemeral.public
      case 's':
        return this.#seal(this.#static.public)
      case 'ee':
      case 'es':
      case 'se':
        this.#agree(token)
        return EMPTY
    }
  }

  #readToken(token: Token, bytes: Uint8Array): Uint8Array {
    switch (token) {
      case 'e': {
        const [key, rest] = cut(bytes, KEY)
        this.#theirEphemeral = key
        this.#mixHash(key)
        return rest
      }
      case 's': {
        const [sealed, rest] = cut(bytes, KEY + TAG)
        this.#theirStatic = this.#open(sealed)
        return rest
      }
      case 'ee':
      case 'es':
      case 'se':
        this.#agree(token)
        return bytes
    }
  }

  /** The first letter is the initiator's key, the second the responder's. */
  #agree(token: 'ee' | 'es' | 'se'): void {
    const [mine, theirs] = this.#initiator ? [token[0], token[1]] : [token[1], token[0]]
    const secret = mine === 'e' ? this.#ephemeral.secret : this.#static.secret
    const key = theirs === 'e' ? this.#theirEphemeral : this.#theirStatic
    const [chaining, cipherKey] = this.#derive(this.#p.x25519(secret, key))
    this.#chaining = chaining
    this.#cipher = new CipherState(this.#p, cipherKey)
  }

  #derive(input: Uint8Array): [Uint8Array, Uint8Array] {
    const both = this.#p.hkdf(input, this.#chaining, EMPTY, 2 * KEY)
    return [both.slice(0, KEY), both.slice(KEY)]
  }

  #seal(plain: Uint8Array): Uint8Array {
    const sealed = this.#cipher?.seal(this.#hash, plain) ?? plain
    this.#mixHash(sealed)
    return sealed
  }

  #open(sealed: Uint8Array): Uint8Array {
    const plain = this.#cipher?.open(this.#hash, sealed) ?? sealed
    this.#mixHash(sealed)
    return plain
  }

  #mixHash(bytes: Uint8Array): void {
    this.#hash = this.#p.sha256(this.#hash, bytes)
  }
}

function cut(bytes: Uint8Array, length: number): readonly [Uint8Array, Uint8Array] {
  if (bytes.length < length) throw new OcmError('malformed', { what: 'handshake' })
  return [bytes.slice(0, length), bytes.subarray(length)]
}
