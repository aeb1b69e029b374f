/** Our Noise is the Noise that others speak, and what docs/protocol.md says is enough to write the other end of a link. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import {
  type Carrier,
  CipherState,
  type Hello,
  NoiseXX,
  type Welcome,
  hubLink,
  newId,
  toCbor,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import createNoise, { type Noise } from 'noise-c.wasm'
import nacl from 'tweetnacl'
import { beforeAll, describe, expect, it } from 'vitest'

const PATTERN = 'Noise_XX_25519_ChaChaPoly_SHA256'
const NOTHING = new Uint8Array()
const bytes = (...parts: readonly (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array))))

let noise: Noise
beforeAll(async () => {
  // Handed over, because emscripten takes Node's fetch for that of a browser and complains.
  const wasmBinary = readFileSync(
    createRequire(import.meta.url).resolve('noise-c.wasm/src/noise-c.wasm'),
  )
  noise = await new Promise((resolve) => createNoise({ wasmBinary }, resolve))
})

describe('noise-c and our Noise', () => {
  it.each(['initiator', 'responder'] as const)(
    'shake hands and exchange messages when ours is the %s',
    (role) => {
      const weBegin = role === 'initiator'
      const prologue = bytes('a prologue')
      const ours = new NoiseXX(p, { initiator: weBegin, prologue, static: p.x25519Pair() })
      const { NOISE_ROLE_INITIATOR, NOISE_ROLE_RESPONDER } = noise.constants
      const theirs = noise.HandshakeState(
        PATTERN,
        weBegin ? NOISE_ROLE_RESPONDER : NOISE_ROLE_INITIATOR,
      )
      theirs.Initialize(prologue, nacl.randomBytes(32))

      const payloads = ['', 'second', 'third'].map((text) => bytes(text))
      for (const [n, payload] of payloads.entries()) {
        const read =
          (n % 2 === 0) === weBegin
            ? theirs.ReadMessage(ours.write(payload), true)
            : ours.read(theirs.WriteMessage(payload)).payload
        expect(bytes(read ?? NOTHING)).toEqual(payload)
      }
      const hash = bytes(theirs.GetHandshakeHash())
      const split = ours.split()
      expect(split.hash).toEqual(hash)

      const [sending, receiving] = theirs.Split()
      for (let n = 0; n < 300; n++) {
        const plain = p.random(n * 7)
        const there = receiving.DecryptWithAd(NOTHING, split.sending.seal(NOTHING, plain))
        const back = split.receiving.open(NOTHING, sending.EncryptWithAd(NOTHING, plain))
        expect([bytes(there), bytes(back)]).toEqual([plain, plain])
      }
    },
  )

  it('do not open what was changed', () => {
    const key = p.random(32)
    const theirs = noise.CipherState(noise.constants.NOISE_CIPHER_CHACHAPOLY)
    theirs.InitializeKey(key)
    const sealed = new CipherState(p, key).seal(NOTHING, bytes('text'))
    const changed = sealed.with(0, (sealed[0] as number) ^ 1)
    expect(() => theirs.DecryptWithAd(NOTHING, changed)).toThrow('NOISE_ERROR_MAC_FAILURE')
  })
})

/** An agent that was written from docs/protocol.md over noise-c and tweetnacl, with nothing of ours but the CBOR. */
class ForeignAgent {
  readonly #state = noise.SymmetricState(PATTERN)
  readonly #ephemeral = nacl.box.keyPair()
  readonly #static = nacl.box.keyPair()
  #transcript = bytes(PATTERN)

  constructor() {
    this.#mix(bytes('ocm/1 link\0', Uint8Array.of(0, 1, 1, 1)))
  }

  first(): Uint8Array {
    this.#mix(this.#ephemeral.publicKey)
    this.#sealed(NOTHING)
    return bytes(Uint8Array.of(1, 1, 1), this.#ephemeral.publicKey)
  }

  /** @returns the hub's Ed25519 key, if it has proved to have it. */
  second(message: Uint8Array): Uint8Array | null {
    if (message[0] !== 2 || message[1] !== 1) return null
    const ephemeral = message.slice(2, 34)
    this.#mix(ephemeral)
    this.#state.MixKey(nacl.scalarMult(this.#ephemeral.secretKey, ephemeral))
    const hubStatic = this.#open(message.slice(34, 82))
    this.#state.MixKey(nacl.scalarMult(this.#ephemeral.secretKey, hubStatic))
    const hash = this.#transcript
    const payload = this.#open(message.slice(82))
    const [signature, body] = [payload.slice(0, 64), payload.slice(64)]
    this.#hubEphemeral = ephemeral
    return nacl.sign.detached.verify(signed('hub', hash, body), signature, body) ? body : null
  }

  third(hello: Hello): Uint8Array {
    const sealedStatic = this.#sealed(this.#static.publicKey)
    this.#state.MixKey(nacl.scalarMult(this.#static.secretKey, this.#hubEphemeral))
    const identity = nacl.sign.keyPair()
    const body = bytes(identity.publicKey, toCbor(hello))
    const signature = nacl.sign.detached(
      signed('agent', this.#transcript, body),
      identity.secretKey,
    )
    return bytes(Uint8Array.of(3), sealedStatic, this.#sealed(bytes(signature, body)))
  }

  split() {
    const [sending, receiving] = this.#state.Split()
    return {
      seal: (frame: Uint8Array) => bytes(sending.EncryptWithAd(NOTHING, frame)),
      open: (record: Uint8Array) => bytes(receiving.DecryptWithAd(NOTHING, record)),
    }
  }

  #hubEphemeral = NOTHING

  #mix(data: Uint8Array): void {
    this.#state.MixHash(data)
    this.#follow(data)
  }

  /** noise-c does not show its hash before the end, so it is followed beside it. */
  #follow(data: Uint8Array): void {
    this.#transcript = bytes(createHash('sha256').update(this.#transcript).update(data).digest())
  }

  #sealed(plain: Uint8Array): Uint8Array {
    const sealed = bytes(this.#state.EncryptAndHash(plain))
    this.#follow(sealed)
    return sealed
  }

  #open(sealed: Uint8Array): Uint8Array {
    const plain = bytes(this.#state.DecryptAndHash(sealed))
    this.#follow(sealed)
    return plain
  }
}

const signed = (role: string, hash: Uint8Array, body: Uint8Array) =>
  bytes(`ocm/1 link ${role}\0`, hash, createHash('sha256').update(body).digest())

it('an agent written from docs/protocol.md is let in, asked, and answers', async () => {
  const identity = p.ed25519Pair()
  const node = newId(p)
  const welcome: Welcome = { node, version: 1, seq: 5, heartbeatMs: 60_000, record: 'AAAA' }
  const records: Uint8Array[] = []
  let wake: (() => void) | undefined
  const carrier: Carrier = {
    send(record) {
      records.push(record)
      wake?.()
    },
    bufferedBytes: () => 0,
    close: () => {},
  }
  const next = async (): Promise<Uint8Array> => {
    const arrived = new Promise<void>((resolve) => {
      wake = resolve
    })
    if (records.length === 0) await arrived
    return records.shift() as Uint8Array
  }
  const hub = hubLink(p, {
    carrier,
    clock: { now: () => performance.now(), setTimeout, clearTimeout },
    kind: 'websocket',
    identity,
    accept: () => Promise.resolve(welcome),
    onSession: () => {},
    fault: (error) => expect.fail(String(error)),
  })

  const agent = new ForeignAgent()
  hub.receive(agent.first())
  expect(agent.second(await next())).toEqual(identity.public)
  hub.receive(
    agent.third({
      min: 1,
      max: 1,
      capabilities: [],
      agentVersion: '9',
      boot: node,
      seq: 4,
      enrol: null,
    }),
  )
  const { seal, open } = agent.split()
  const hears = open(await next())
  expect([...hears.subarray(0, 5)]).toEqual([13, 0, 0, 0, 0])
  expect(JSON.parse(Buffer.from(hears.subarray(5)).toString())).toEqual(welcome)
  hub.receive(seal(Uint8Array.of(14, 0, 0, 0, 0)))

  const session = await hub.session
  const asked = session.request('describe', { record: 'BBBB' })
  const question = open(await next())
  expect([...question.subarray(0, 5)]).toEqual([1, 0, 0, 0, 2])
  expect(JSON.parse(Buffer.from(question.subarray(5)).toString())).toEqual({
    method: 'describe',
    params: { record: 'BBBB' },
    body: false,
  })
  const answer = '{"result":{"description":"CCCC"},"body":false}'
  hub.receive(seal(bytes(Uint8Array.of(2, 0, 0, 0, 2), answer)))
  expect((await asked).result).toEqual({ description: 'CCCC' })
  session.close('link-lost')
})
