/**
 * How a hub and an agent prove to each other who they are, on a carrier that anybody may read and change: Noise XX
 * with throw-away keys, inside it an Ed25519 signature of each over the transcript. docs/protocol.md has the bytes.
 *
 * The agent sends nothing of itself before it has verified the hub's pinned key; the hub does nothing but arithmetic
 * before it has verified the agent's.
 */
import { Value } from 'typebox/value'
import { concat, equal, utf8 } from '../bytes.ts'
import { toCbor } from '../cbor.ts'
import { OcmError, fromWireError, toWireError } from '../errors.ts'
import { Hello, LINK_VERSION, Welcome } from '../messages.ts'
import type { KeyPair, Primitives } from '../primitives/primitives.ts'
import { check, decodeAs } from '../shapes.ts'
import type { CarrierKind } from './carrier.ts'
import { Assembler, ErrorMessage, frame, messageFrames, readFrame } from './frame.ts'
import type { Wire } from './inbox.ts'
import { NoiseXX } from './noise.ts'
import { MAX_RECORD, type Transport, transportOf } from './transport.ts'

export interface AgentHandshake {
  readonly kind: CarrierKind
  /** Ed25519. */
  readonly identity: KeyPair
  /** The hub's Ed25519 public key, from the join string. */
  readonly pinnedHub: Uint8Array
  /** The highest version this agent has spoken with this hub: nobody talks it below. */
  readonly minVersion: number
  readonly hello: Hello
  /** Must have the sequence on disk before it is fulfilled: what follows tells the hub so. */
  readonly onWelcome: (welcome: Welcome) => Promise<void>
}

export interface HubHandshake {
  readonly kind: CarrierKind
  /** Ed25519. */
  readonly identity: KeyPair
  /** Who is this? Both keys are proved when it is asked. What it throws the agent is told, sealed. */
  readonly accept: (agentKey: Uint8Array, hello: Hello) => Promise<Welcome>
}

interface Shaken {
  readonly transport: Transport
  readonly version: number
  readonly welcome: Welcome
  /** Names this handshake; both sides have it. */
  readonly hash: Uint8Array
}
export type AgentShaken = Shaken
export interface HubShaken extends Shaken {
  readonly agentKey: Uint8Array
  readonly hello: Hello
}

const M1 = 1
const M2 = 2
const M3 = 3
const M1_LENGTH = 3 + 32
/** What the hub answers when it speaks none of the versions offered. */
const NO_VERSION = 0
/** Key, sealed static key, and a payload of signature and key. */
const M2_LENGTH = 2 + 32 + 48 + 64 + 32 + 16
const M3_LENGTH = 16 * 1024

/**
 * @throws OcmError 'hub-key-changed', 'signature-invalid', 'seal-broken', 'version-unsupported', 'malformed', 'link-lost',
 * 'deadline-passed', or what the hub refused it for.
 */
export async function agentHandshake(
  p: Primitives,
  wire: Wire,
  options: AgentHandshake,
): Promise<AgentShaken> {
  const { identity, pinnedHub, onWelcome } = options
  const hello = { ...options.hello, min: Math.max(options.hello.min, options.minVersion) }
  const ephemeral = p.x25519Pair()
  const offer = { min: hello.min, max: hello.max }
  wire.send(concat(Uint8Array.of(M1, offer.min, offer.max), ephemeral.public))

  const second = await wire.next(M2_LENGTH)
  const version = versionOf(second, offer)
  // The prologue holds the version that was chosen, so the first message is written again into a transcript that
  // begins with it: it consists of the ephemeral key alone and comes out the same.
  const noise = new NoiseXX(p, {
    initiator: true,
    prologue: prologueOf(options.kind, offer, version),
    static: p.x25519Pair(),
    ephemeral,
  })
  noise.write()
  const proof = noise.read(second.subarray(2))
  const hub = readProof(p, 'hub', proof)
  if (!equal(hub.key, pinnedHub)) throw new OcmError('hub-key-changed')
  wire.trust()

  const third = noise.write((hash) => makeProof(p, 'agent', hash, identity, toCbor(hello)))
  wire.send(concat(Uint8Array.of(M3), third))

  const split = noise.split()
  const transport = transportOf(split)
  const welcome = await readWelcome(wire, transport)
  await onWelcome(welcome)
  wire.send(transport.seal(frame('ready', 0)))
  return { transport, version, welcome, hash: split.hash }
}

/** @throws OcmError; whatever happened, the carrier is to be closed. */
export async function hubHandshake(
  p: Primitives,
  wire: Wire,
  options: HubHandshake,
): Promise<HubShaken> {
  const { identity, accept } = options
  const first = await wire.next(M1_LENGTH)
  const [kind, min = 0, max = 0] = first
  if (first.length !== M1_LENGTH || kind !== M1) throw malformed()
  const offer = { min, max }
  const version = Math.min(max, LINK_VERSION.max)
  if (version < Math.max(min, LINK_VERSION.min)) {
    wire.send(Uint8Array.of(M2, NO_VERSION))
    throw new OcmError('version-unsupported', { what: 'agent' })
  }
  const noise = new NoiseXX(p, {
    initiator: false,
    prologue: prologueOf(options.kind, offer, version),
    static: p.x25519Pair(),
  })
  noise.read(first.subarray(3))
  const second = noise.write((hash) => makeProof(p, 'hub', hash, identity, new Uint8Array()))
  wire.send(concat(Uint8Array.of(M2, version), second))

  const third = await wire.next(M3_LENGTH)
  if (third[0] !== M3) throw malformed()
  const agent = readProof(p, 'agent', noise.read(third.subarray(1)))
  wire.trust()

  const split = noise.split()
  const transport = transportOf(split)
  try {
    const hello = decodeAs(Hello, agent.body, 'hello')
    if (hello.min !== min || hello.max !== max) throw malformed()
    // The deadline holds for the catalog too: who waits for it takes one of few places.
    const welcome = await Promise.race([accept(agent.key, hello), wire.failed])
    for (const part of messageFrames('welcome', 0, welcome)) wire.send(transport.seal(part))
    const { kind: answer } = readFrame(transport.open(await wire.next(MAX_RECORD)))
    if (answer !== 'ready') throw malformed()
    return { transport, version, welcome, hash: split.hash, agentKey: agent.key, hello }
  } catch (error) {
    const [bye] = messageFrames('bye', 0, toWireError(error))
    if (bye) wire.send(transport.seal(bye))
    throw error
  }
}

interface Offer {
  readonly min: number
  readonly max: number
}

function versionOf(second: Uint8Array, { min, max }: Offer): number {
  const [kind, version = NO_VERSION] = second
  if (kind !== M2) throw malformed()
  if (version < min || version > max) throw new OcmError('version-unsupported', { what: 'hub' })
  return version
}

const CARRIERS: Readonly<Record<CarrierKind, number>> = { websocket: 0, stdio: 1 }

const prologueOf = (kind: CarrierKind, { min, max }: Offer, version: number): Uint8Array =>
  concat(utf8('ocm/1 link\0'), Uint8Array.of(CARRIERS[kind], min, max, version))

type Role = 'hub' | 'agent'

const signedBytes = (p: Primitives, role: Role, hash: Uint8Array, body: Uint8Array): Uint8Array =>
  concat(utf8(`ocm/1 link ${role}\0`), hash, p.sha256(body))

/** Signature, public key, and what else is said with it. The hash is of all that was sent before, so it fits nowhere else. */
function makeProof(
  p: Primitives,
  role: Role,
  hash: Uint8Array,
  identity: KeyPair,
  more: Uint8Array,
): Uint8Array {
  const body = concat(identity.public, more)
  return concat(p.ed25519Sign(identity.secret, signedBytes(p, role, hash, body)), body)
}

function readProof(
  p: Primitives,
  role: Role,
  { payload, hash }: { readonly payload: Uint8Array; readonly hash: Uint8Array },
): { readonly key: Uint8Array; readonly body: Uint8Array } {
  if (payload.length < 96) throw malformed()
  const body = payload.subarray(64)
  const key = body.slice(0, 32)
  if (!p.ed25519Verify(key, signedBytes(p, role, hash, body), payload.subarray(0, 64))) {
    throw new OcmError('signature-invalid', { what: 'handshake' })
  }
  return { key, body: body.subarray(32) }
}

async function readWelcome(wire: Wire, transport: Transport): Promise<Welcome> {
  const assembler = new Assembler()
  for (;;) {
    const part = readFrame(transport.open(await wire.next(MAX_RECORD)))
    if (part.kind !== 'welcome' && part.kind !== 'bye') throw malformed()
    const message = assembler.add(part)
    if (!message) continue
    if (part.kind === 'bye') throw fromWireError(check(ErrorMessage, message.value, 'bye'))
    return check(Welcome, Value.Clean(Welcome, message.value), 'welcome')
  }
}

const malformed = () => new OcmError('malformed', { what: 'handshake' })
