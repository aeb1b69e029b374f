import { readFileSync } from 'node:fs'
import { chacha20 } from '@noble/ciphers/chacha.js'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, hex, utf8 } from '../bytes.ts'
import { browserPrimitives } from '../primitives/browser.ts'
import { nodePrimitives } from '../primitives/node.ts'
import type { Primitives } from '../primitives/primitives.ts'
import { CipherState, NoiseXX } from './noise.ts'
import { transportOf } from './transport.ts'

interface Vector {
  readonly protocol_name: string
  readonly init_prologue: string
  readonly init_static: string
  readonly init_ephemeral: string
  readonly resp_prologue: string
  readonly resp_static: string
  readonly resp_ephemeral: string
  readonly handshake_hash: string
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[]
}

/** From the public vectors that Noise implementations check each other with. */
const { vectors } = JSON.parse(
  readFileSync(new URL('noise-xx.vectors.json', import.meta.url), 'utf8'),
) as { readonly vectors: readonly Vector[] }

const platforms: readonly (readonly [string, Primitives])[] = [
  ['node', nodePrimitives],
  ['browser', browserPrimitives],
]

describe.each(platforms)('Noise XX over the primitives of %s', (_name, p) => {
  it.each(vectors)('writes and reads the bytes of the public vector $protocol_name', (vector) => {
    const pair = (secret: string) => p.x25519Pair(fromHex(secret))
    const initiator = new NoiseXX(p, {
      initiator: true,
      prologue: fromHex(vector.init_prologue),
      static: pair(vector.init_static),
      ephemeral: pair(vector.init_ephemeral),
    })
    const responder = new NoiseXX(p, {
      initiator: false,
      prologue: fromHex(vector.resp_prologue),
      static: pair(vector.resp_static),
      ephemeral: pair(vector.resp_ephemeral),
    })
    const said: string[] = []
    const heard: string[] = []
    for (const [n, { payload }] of vector.messages.slice(0, 3).entries()) {
      const [writer, reader] = n % 2 === 0 ? [initiator, responder] : [responder, initiator]
      const message = writer.write(fromHex(payload))
      said.push(hex(message))
      heard.push(hex(reader.read(message).payload))
    }
    const ours = initiator.split()
    const theirs = responder.split()
    for (const [n, { payload }] of vector.messages.slice(3).entries()) {
      const [writer, reader] = n % 2 === 0 ? [theirs, ours] : [ours, theirs]
      const sealed = writer.sending.seal(new Uint8Array(), fromHex(payload))
      said.push(hex(sealed))
      heard.push(hex(reader.receiving.open(new Uint8Array(), sealed)))
    }
    expect(said).toEqual(vector.messages.map(({ ciphertext }) => ciphertext))
    expect(heard).toEqual(vector.messages.map(({ payload }) => payload))
    expect(hex(ours.hash)).toBe(vector.handshake_hash)
    expect(hex(theirs.hash)).toBe(vector.handshake_hash)
  })

  it('refuses to write out of turn and to split before the end', () => {
    const noise = new NoiseXX(p, { initiator: true, prologue: utf8(''), static: p.x25519Pair() })
    noise.write()
    expect(() => noise.write()).toThrow(expect.objectContaining({ code: 'internal' }))
    expect(() => noise.split()).toThrow(expect.objectContaining({ code: 'internal' }))
  })

  it('makes the next key as the specification says, and goes on counting', () => {
    const key = p.random(32)
    const nonce = Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255)
    // ENCRYPT of 32 zeros is the key stream from block 1.
    const next = new CipherState(p, chacha20(key, nonce, new Uint8Array(32), undefined, 1))
    const cipher = new CipherState(p, key)
    for (const state of [next, cipher]) state.seal(utf8(''), utf8('first'))
    cipher.rekey()
    expect(hex(cipher.seal(utf8('ad'), utf8('second')))).toBe(
      hex(next.seal(utf8('ad'), utf8('second'))),
    )
  })

  it('replaces the key of a direction after so many records or bytes, on both ends alike', () => {
    const key = p.random(32)
    const end = (life: { records: number; bytes: number }) => {
      const cipher = () => new CipherState(p, key)
      return transportOf({ sending: cipher(), receiving: cipher(), hash: key }, life)
    }
    for (const life of [
      { records: 3, bytes: 1e9 },
      { records: 1e9, bytes: 24 },
    ]) {
      const writer = end(life)
      const reader = end(life)
      const plain = utf8('12345678')
      const sealed = Array.from({ length: 10 }, () => writer.seal(plain))
      expect(concat(...sealed.map((record) => reader.open(record)))).toEqual(
        concat(...sealed.map(() => plain)),
      )
      // The fourth record is under the second key, which one who counts otherwise does not have.
      const stays = end({ records: 1e9, bytes: 1e9 })
      for (const record of sealed.slice(0, 3)) stays.open(record)
      expect(() => stays.open(sealed[3] as Uint8Array)).toThrow(
        expect.objectContaining({ code: 'seal-broken' }),
      )
    }
  })
})

it('the node’s and the browser’s primitives shake hands with one another', () => {
  const initiator = new NoiseXX(nodePrimitives, {
    initiator: true,
    prologue: utf8('p'),
    static: nodePrimitives.x25519Pair(),
  })
  const responder = new NoiseXX(browserPrimitives, {
    initiator: false,
    prologue: utf8('p'),
    static: browserPrimitives.x25519Pair(),
  })
  responder.read(initiator.write())
  initiator.read(responder.write())
  responder.read(initiator.write(utf8('third')))
  const sealed = initiator.split().sending.seal(utf8('ad'), utf8('text'))
  expect(responder.split().receiving.open(utf8('ad'), sealed)).toEqual(utf8('text'))
})
