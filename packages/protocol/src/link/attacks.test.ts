import { describe, expect, it } from 'vitest'
import { concat, equal, utf8 } from '../bytes.ts'
import { toCbor } from '../cbor.ts'
import type { OcmError } from '../errors.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { NoiseXX } from './noise.ts'
import { agentLink, hubLink } from './open.ts'
import { ManualClock, settled } from './testing/manual-clock.ts'
import { memoryCarriers } from './testing/memory.ts'
import { flipped, hello, nth, shaker, welcome } from './testing/shake.ts'

const { shake, hubIdentity, agentIdentity } = shaker(p)

/** A responder that speaks Noise and proves itself by `proof`. */
const withHandMadeHub = async (proof: (hash: Uint8Array) => Uint8Array) => {
  const [agentCarrier, hubCarrier] = memoryCarriers()
  const end = agentLink(p, {
    carrier: agentCarrier,
    clock: new ManualClock(),
    fault: () => {},
    kind: 'websocket',
    identity: agentIdentity,
    pinnedHub: hubIdentity.public,
    minVersion: 1,
    hello,
    onWelcome: () => Promise.resolve(),
    onSession: () => {},
  })
  agentCarrier.connect(end)
  hubCarrier.connect({
    receive(m1) {
      const prologue = concat(utf8('ocm/1 link\0'), Uint8Array.of(0, 1, 1, 1))
      const noise = new NoiseXX(p, { initiator: false, prologue, static: p.x25519Pair() })
      noise.read(m1.subarray(3))
      hubCarrier.send(concat(Uint8Array.of(2, 1), noise.write(proof)))
    },
    drained: () => {},
    lost: () => {},
  })
  const outcome = await end.session.then(
    () => 'open',
    (error: unknown) => (error as OcmError).code,
  )
  return { outcome, sent: agentCarrier.sent.length }
}
const signedAs = (label: string, body: Uint8Array) => (hash: Uint8Array) => {
  const signed = concat(utf8(label), hash, p.sha256(body))
  return concat(p.ed25519Sign(hubIdentity.secret, signed), body)
}

describe('attacks on the handshake', () => {
  it('a stripped version offer breaks the handshake', async () => {
    const { agentOutcome, hubOutcome } = await shake({
      agent: { hello: { ...hello, max: 2 } },
      before: (agent) =>
        agent.tamper(nth(0, (m1) => [concat(Uint8Array.of(1, 1, 1), m1.subarray(3))])),
    })
    expect([agentOutcome, hubOutcome]).toEqual(['seal-broken', 'link-lost'])
  })

  it('a chosen version that was changed on the way breaks the handshake', async () => {
    const { agentOutcome } = await shake({
      agent: { hello: { ...hello, max: 2 } },
      before: (_agent, hub) =>
        hub.tamper(nth(0, (m2) => [concat(Uint8Array.of(2, 2), m2.subarray(2))])),
    })
    expect(agentOutcome).toBe('seal-broken')
  })

  it('a chosen version that was not offered is refused before anything is sent', async () => {
    const { agentOutcome, agentCarrier } = await shake({
      before: (_agent, hub) =>
        hub.tamper(nth(0, (m2) => [concat(Uint8Array.of(2, 9), m2.subarray(2))])),
    })
    expect(agentOutcome).toBe('version-unsupported')
    expect(agentCarrier.sent).toHaveLength(1)
  })

  it('nobody talks an agent below the version it has spoken with this hub', async () => {
    const { agentOutcome, hubOutcome } = await shake({
      agent: { hello: { ...hello, max: 2 }, minVersion: 2 },
    })
    expect([agentOutcome, hubOutcome]).toEqual(['version-unsupported', 'version-unsupported'])
  })

  it('a handshake of one kind of carrier means nothing on another', async () => {
    const { agentOutcome } = await shake({ hub: { kind: 'stdio' } })
    expect(agentOutcome).toBe('seal-broken')
  })

  it('a hub with another key learns nothing: the third message is never sent', async () => {
    const { agentOutcome, agentCarrier } = await shake({ hub: { identity: p.ed25519Pair() } })
    expect(agentOutcome).toBe('hub-key-changed')
    expect(agentCarrier.sent).toHaveLength(1)
  })

  it('the identity of the agent is not readable on the wire', async () => {
    const { agentCarrier, hubCarrier } = await shake()
    const wire = Buffer.concat([...agentCarrier.sent, ...hubCarrier.sent])
    expect(wire.includes(Buffer.from(agentIdentity.public))).toBe(false)
    expect(wire.includes(Buffer.from(hubIdentity.public))).toBe(false)
    expect(wire.includes('0.1.0')).toBe(false)
  })

  it.each([
    ['first message, ephemeral key', 'agent', 0, 5],
    ['second message, ephemeral key', 'hub', 0, 5],
    ['second message, static key', 'hub', 0, 40],
    ['second message, proof', 'hub', 0, 100],
    ['second message, last byte', 'hub', 0, -1],
    ['third message, static key', 'agent', 1, 10],
    ['third message, proof', 'agent', 1, 60],
    ['third message, last byte', 'agent', 1, -1],
    ['welcome', 'hub', 1, 3],
    ['ready', 'agent', 2, 0],
  ] as const)('a bit flipped in the %s breaks the handshake', async (_where, from, record, at) => {
    const { agentOutcome, hubOutcome, accepted } = await shake({
      before(agent, hub) {
        const carrier = from === 'agent' ? agent : hub
        carrier.tamper(nth(record, (m) => [flipped(m, ((at + m.length) % m.length) * 8)]))
      },
    })
    expect(hubOutcome).not.toBe('open')
    // Whoever receives it notices; and the hub has done nothing for an agent that is not proved.
    expect(from === 'hub' ? agentOutcome : 'seal-broken').toBe('seal-broken')
    expect(from === 'agent' && record < 2 ? accepted : []).toEqual([])
  })

  it('200 random bit flips in the three messages never open a session', async () => {
    let state = 0x2545f491
    const random = (below: number) => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 0) % below
    }
    for (let n = 0; n < 200; n++) {
      const which = random(3)
      const { hubOutcome } = await shake({
        before(agent, hub) {
          const carrier = which === 1 ? hub : agent
          carrier.tamper(nth(which === 2 ? 1 : 0, (m) => [flipped(m, random(m.length * 8))]))
        },
      })
      expect(hubOutcome).not.toBe('open')
    }
  })

  it.each(['agent', 'hub'] as const)(
    'a message of the %s that is cut short is refused',
    async (who) => {
      for (const keep of [0, 1, 30]) {
        const { hubOutcome } = await shake({
          before: (agent, hub) =>
            (who === 'agent' ? agent : hub).tamper(nth(0, (m) => [m.subarray(0, keep)])),
        })
        expect(hubOutcome).not.toBe('open')
      }
    },
  )

  it('a low-order ephemeral key is refused', async () => {
    const { hubOutcome, accepted } = await shake({
      before: (agent) =>
        agent.tamper(nth(0, () => [concat(Uint8Array.of(1, 1, 1), new Uint8Array(32))])),
    })
    expect(hubOutcome).toBe('crypto-key-invalid')
    expect(accepted).toEqual([])
  })

  it('the first and third messages of an old handshake do not open a new one', async () => {
    const old = await shake()
    const [m1, m3] = old.agentCarrier.sent as [Uint8Array, Uint8Array]
    const { hubOutcome, accepted } = await shake({
      before(agent) {
        let count = 0
        agent.tamper(() => [[m1], [m3]][count++] ?? [])
      },
    })
    expect(hubOutcome).not.toBe('open')
    expect(accepted).toEqual([])
  })

  it('a signature made in the role of an agent does not pass for a hub’s', async () => {
    const right = signedAs('ocm/1 link hub\0', hubIdentity.public)
    // The control: this hand-made hub is believed when it signs in its own role.
    const { sent } = await Promise.race([
      withHandMadeHub(right),
      settled().then(() => ({ outcome: 'waits for welcome', sent: 2 })),
    ])
    expect(sent).toBe(2)
    const wrong = signedAs('ocm/1 link agent\0', hubIdentity.public)
    expect(await withHandMadeHub(wrong)).toEqual({ outcome: 'signature-invalid', sent: 1 })
  })

  it('a proof of the real hub from another handshake is worth nothing in the middle', async () => {
    let relayed = new Uint8Array()
    const prologue = concat(utf8('ocm/1 link\0'), Uint8Array.of(0, 1, 1, 1))
    const noise = new NoiseXX(p, { initiator: true, prologue, static: p.x25519Pair() })
    const [attacker, hubCarrier] = memoryCarriers()
    const hub = hubLink(p, {
      carrier: hubCarrier,
      clock: new ManualClock(),
      fault: () => {},
      kind: 'websocket',
      identity: hubIdentity,
      accept: () => Promise.resolve(welcome),
      onSession: () => {},
    })
    hubCarrier.connect(hub)
    attacker.connect({
      receive(m2) {
        relayed = noise.read(m2.subarray(2)).payload.slice()
      },
      drained: () => {},
      lost: () => {},
    })
    attacker.send(concat(Uint8Array.of(1, 1, 1), noise.write()))
    await settled()
    expect(equal(relayed.subarray(64), hubIdentity.public)).toBe(true)
    expect(await withHandMadeHub(() => relayed)).toEqual({ outcome: 'signature-invalid', sent: 1 })
    hub.lost()
    await expect(hub.session).rejects.toMatchObject({ code: 'link-lost' })
  })

  it('an offer in the hello that is not the one in the first message is refused', async () => {
    const [attacker, hubCarrier] = memoryCarriers()
    const prologue = concat(utf8('ocm/1 link\0'), Uint8Array.of(0, 1, 1, 1))
    const noise = new NoiseXX(p, { initiator: true, prologue, static: p.x25519Pair() })
    const hub = hubLink(p, {
      carrier: hubCarrier,
      clock: new ManualClock(),
      fault: () => {},
      kind: 'websocket',
      identity: hubIdentity,
      accept: () => Promise.resolve(welcome),
      onSession: () => {},
    })
    hubCarrier.connect(hub)
    const body = concat(agentIdentity.public, toCbor({ ...hello, max: 3 }))
    attacker.connect({
      receive(m2) {
        if (m2[0] !== 2) return
        noise.read(m2.subarray(2))
        const m3 = noise.write((hash) => {
          const signed = concat(utf8('ocm/1 link agent\0'), hash, p.sha256(body))
          return concat(p.ed25519Sign(agentIdentity.secret, signed), body)
        })
        attacker.send(concat(Uint8Array.of(3), m3))
      },
      drained: () => {},
      lost: () => {},
    })
    attacker.send(concat(Uint8Array.of(1, 1, 1), noise.write()))
    await expect(hub.session).rejects.toMatchObject({ code: 'malformed' })
  })
})

describe('a stranger', () => {
  it('who says nothing is let go after ten seconds', async () => {
    const [, carrier] = memoryCarriers()
    const clock = new ManualClock()
    const { session } = hubLink(p, {
      carrier,
      clock,
      fault: () => {},
      kind: 'websocket',
      identity: hubIdentity,
      accept: () => Promise.resolve(welcome),
      onSession: () => {},
    })
    const outcome = session.catch((error: unknown) => error)
    await clock.advance(9_999)
    expect(carrier.isClosed).toBe(false)
    await clock.advance(1)
    expect(carrier.isClosed).toBe(true)
    expect(await outcome).toMatchObject({ code: 'deadline-passed' })
  })

  it.each([
    ['a first message of another length', [new Uint8Array(37)]],
    ['an empty record', [new Uint8Array()]],
    ['a record of another kind', [concat(Uint8Array.of(3, 1, 1), new Uint8Array(32))]],
    ['a large record', [new Uint8Array(65_535)]],
    ['many records at once', Array.from({ length: 600 }, () => new Uint8Array(35))],
  ])('who sends %s is cut off', async (_what, records) => {
    const { hubOutcome, hubCarrier, accepted } = await shake({
      before: (agent) => agent.tamper(nth(0, () => records)),
    })
    expect(hubOutcome).toBe('malformed')
    expect(hubCarrier.isClosed).toBe(true)
    expect(accepted).toEqual([])
  })
})
