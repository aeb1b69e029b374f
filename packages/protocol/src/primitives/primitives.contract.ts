/** What every implementation of Primitives has to do, by published vectors and by refusing what must be refused. */
import { describe, expect, it } from 'vitest'
import { concat, fromHex, hex, utf8 } from '../bytes.ts'
import type { Primitives } from './primitives.ts'

/** Points whose order divides 8, sign bit cleared. As an Ed25519 key they would verify signatures that nobody made. */
const LOW_ORDER_ED25519 = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(fromHex)

const LOW_ORDER_X25519 = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

/** The order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

const flip = (bytes: Uint8Array, n: number) => bytes.with(n, (bytes[n] as number) ^ 1)

const withSign = (point: Uint8Array): Uint8Array => {
  const copy = point.slice()
  copy[31] = (copy[31] as number) | 0x80
  return copy
}

const littleEndian = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n)

function toLittleEndian(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, n) => Number((number >> BigInt(8 * n)) & 255n))
}

/** @param zstd compresses, for bodies to decompress; Primitives themselves only decompress. */
export function primitivesContract(
  name: string,
  p: Primitives,
  zstd: (plain: Uint8Array) => Uint8Array,
): void {
  describe(`primitives of ${name}`, () => {
    it('makes random bytes of any length', () => {
      expect([0, 1, 32, 70_000].map((length) => p.random(length).length)).toEqual([
        0, 1, 32, 70_000,
      ])
      expect(hex(p.random(32))).not.toBe(hex(p.random(32)))
    })

    it('hashes parts as their concatenation (FIPS 180)', () => {
      const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
      expect(hex(p.sha256(utf8('abc')))).toBe(abc)
      expect(hex(p.sha256(utf8('a'), utf8(''), utf8('bc')))).toBe(abc)
      expect(hex(p.sha256())).toBe(
        'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      )
    })

    it('hashes what comes in parts', () => {
      const parts = p.sha256Parts()
      for (const part of ['a', '', 'bc']) parts.update(utf8(part))
      expect(hex(parts.digest())).toBe(hex(p.sha256(utf8('abc'))))
    })

    it('authenticates parts as their concatenation (RFC 4231, case 2)', () => {
      expect(hex(p.hmacSha256(utf8('Jefe'), utf8('what do ya want '), utf8('for nothing?')))).toBe(
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      )
    })

    it('derives keys (RFC 5869, cases 1 and 3), also from nothing', () => {
      const input = new Uint8Array(22).fill(0x0b)
      expect(
        hex(
          p.hkdf(input, fromHex('000102030405060708090a0b0c'), fromHex('f0f1f2f3f4f5f6f7f8f9'), 42),
        ),
      ).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
      const none = new Uint8Array()
      expect(hex(p.hkdf(input, none, none, 42))).toBe(
        '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
      )
      expect(hex(p.hkdf(none, new Uint8Array(32), none, 8))).toBe('eb70f01dede9afaf')
    })

    it('agrees on secrets (RFC 7748, sections 5.2 and 6.1)', () => {
      const scalar = fromHex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4')
      const point = fromHex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c')
      expect(hex(p.x25519(scalar, point))).toBe(
        'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
      )
      const bob = p.x25519Pair(
        fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
      )
      expect(hex(bob.public)).toBe(
        'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
      )
      const alice = fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
      expect(hex(p.x25519(bob.secret, alice))).toBe(
        '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
      )
      const one = p.x25519Pair()
      const two = p.x25519Pair()
      expect(p.x25519(one.secret, two.public)).toEqual(p.x25519(two.secret, one.public))
    })

    it('agrees on no secret with a point of low order', () => {
      const { secret } = p.x25519Pair()
      for (const point of LOW_ORDER_X25519) {
        expect(() => p.x25519(secret, fromHex(point))).toThrow(
          expect.objectContaining({ code: 'crypto-key-invalid' }),
        )
      }
      for (const length of [0, 31, 33]) {
        expect(() => p.x25519(secret, new Uint8Array(length).fill(9))).toThrow(
          expect.objectContaining({ code: 'crypto-key-invalid' }),
        )
      }
    })

    it('signs and verifies (RFC 8032, test 1)', () => {
      const seed = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
      const pair = p.ed25519Pair(seed)
      const signature = p.ed25519Sign(seed, new Uint8Array())
      expect(hex(pair.public)).toBe(
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      )
      expect(hex(signature)).toBe(
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
      )
      expect(p.ed25519Verify(pair.public, new Uint8Array(), signature)).toBe(true)
    })

    it('verifies nothing that was changed, and throws for nothing', () => {
      const pair = p.ed25519Pair()
      const message = utf8('message')
      const signature = p.ed25519Sign(pair.secret, message)
      for (let n = 0; n < 64; n++) {
        expect(p.ed25519Verify(pair.public, message, flip(signature, n))).toBe(false)
      }
      expect(p.ed25519Verify(flip(pair.public, 3), message, signature)).toBe(false)
      expect(p.ed25519Verify(pair.public, utf8('massage'), signature)).toBe(false)
      for (const length of [0, 31, 33, 64]) {
        expect(p.ed25519Verify(new Uint8Array(length), message, signature)).toBe(false)
        expect(p.ed25519Verify(pair.public, message, signature.subarray(0, length - 1))).toBe(false)
      }
    })

    it('verifies no second signature that anybody can make of a first (S + L)', () => {
      const pair = p.ed25519Pair()
      const message = utf8('message')
      const signature = p.ed25519Sign(pair.secret, message)
      const s = littleEndian(signature.subarray(32))
      for (const times of [1n, 2n, 7n]) {
        const malleated = concat(signature.subarray(0, 32), toLittleEndian(s + times * L))
        expect(p.ed25519Verify(pair.public, message, malleated)).toBe(false)
      }
    })

    it('verifies nothing by a key of low order', () => {
      const points = LOW_ORDER_ED25519.flatMap((point) => [point, withSign(point)])
      // S = 0 and R of low order: where keys are not looked at, one in fifteen of these passes for a signature.
      for (const key of points) {
        for (const r of points) {
          const signature = concat(r, new Uint8Array(32))
          for (let n = 0; n < 8; n++) {
            expect(p.ed25519Verify(key, Uint8Array.of(n), signature)).toBe(false)
          }
        }
      }
    })

    it('seals and opens (RFC 8439, section 2.8.2)', () => {
      const key = Uint8Array.from({ length: 32 }, (_, n) => 0x80 + n)
      const nonce = fromHex('070000004041424344454647')
      const associated = fromHex('50515253c0c1c2c3c4c5c6c7')
      const plain = utf8(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
      )
      const sealed = p.seal(key, nonce, associated, plain)
      expect(hex(sealed)).toBe(
        'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
          '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
          '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
          '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
      )
      expect(p.open(key, nonce, associated, sealed)).toEqual(plain)
      const empty = p.seal(key, nonce, new Uint8Array(), new Uint8Array())
      expect(p.open(key, nonce, new Uint8Array(), empty)).toHaveLength(0)
    })

    it('opens nothing that was changed, cut short or belongs elsewhere', () => {
      const [key, nonce, associated] = [p.random(32), p.random(12), utf8('context')]
      const sealed = p.seal(key, nonce, associated, utf8('plain'))
      const broken = expect.objectContaining({ code: 'seal-broken' })
      for (let n = 0; n < sealed.length; n++) {
        const changed = flip(sealed, n)
        expect(() => p.open(key, nonce, associated, changed)).toThrow(broken)
        expect(() => p.open(key, nonce, associated, sealed.subarray(0, n))).toThrow(broken)
      }
      expect(() => p.open(key, nonce, utf8('another'), sealed)).toThrow(broken)
      expect(() => p.open(key, p.random(12), associated, sealed)).toThrow(broken)
      expect(() => p.open(p.random(32), nonce, associated, sealed)).toThrow(broken)
    })

    it('decompresses to exactly the length that was declared', () => {
      for (const length of [0, 1, 100, 70_000, 2 ** 20]) {
        for (const plain of [p.random(length), new Uint8Array(length).fill(7)]) {
          const back = p.unzstd(zstd(plain), length)
          expect(back.length).toBe(length)
          expect(hex(p.sha256(back))).toBe(hex(p.sha256(plain)))
        }
      }
    })

    it('decompresses nothing else', () => {
      const malformed = expect.objectContaining({ code: 'malformed' })
      const plain = new Uint8Array(10_000).fill(7)
      const compressed = zstd(plain)
      for (const length of [0, 1, 9_999, 10_001]) {
        expect(() => p.unzstd(compressed, length)).toThrow(malformed)
      }
      for (let keep = 0; keep < compressed.length; keep++) {
        expect(() => p.unzstd(compressed.subarray(0, keep), plain.length)).toThrow(malformed)
      }
      expect(() => p.unzstd(p.random(500), 500)).toThrow(malformed)
      // 64 MiB of nothing in a few kilobytes.
      expect(() => p.unzstd(zstd(new Uint8Array(2 ** 26)), 1_000)).toThrow(malformed)
    })
  })
}
