/**
 * What is signed when a node is changed. A move is four statements: ORDER by an operator, FENCED by the source, then
 * exactly one of SPEAK or ABORT by the target. A restore or a clone needs the ORDER alone. Each is written to disk
 * before it is sent; the hub only relays.
 */
import { type Static, Type } from 'typebox'
import { Hash, Id } from './ids.ts'
import { Layout } from './layout.ts'
import { Inventory, Tie } from './manifest.ts'
import type { KeyPair, Primitives } from './primitives/primitives.ts'
import { openSealed, sealTo } from './sealing.ts'
import { Bytes, Count, Millis, Strict, decodeAs } from './shapes.ts'
import { toCbor } from './cbor.ts'
import { Choices } from './choices.ts'

/**
 * Why a node could not be stopped and put aside by its agent: the end of its gateway would end the agent, or is not the
 * agent's to bring about; its state directory is a mount point, or lies where the agent may not rename it.
 */
export const OBSTACLES = [
  'gateway-ends-agent',
  'gateway-not-allowed',
  'state-mount-point',
  'state-not-writable',
] as const
export type Obstacle = (typeof OBSTACLES)[number]

/** What a target tells operators about itself before a plan; the facts are sealed to the vault. */
export const TargetFacts = Strict({
  layout: Layout,
  /** There is an OpenClaw state here already that an apply would replace. */
  occupied: Type.Boolean(),
  /** Free bytes where each root lies. */
  freeBytes: Type.Record(Type.String(), Count),
  gateway: Strict({
    kind: Type.Enum(['user-unit', 'system-unit', 'process', 'none']),
    running: Type.Boolean(),
  }),
  /** TCP ports that something else than this node's own gateway listens on. */
  portsInUse: Type.Array(Type.Integer()),
  /** This node was moved away and may not start. */
  fenced: Type.Boolean(),
  /** The configuration may not be written (managed from outside). */
  readOnlyConfig: Type.Boolean(),
  /** What is here that a graft must not meet, or stands on; absent from agents that cannot graft. */
  holds: Type.Optional(
    Strict({
      inventory: Type.Union([Inventory, Type.Null()]),
      /** As in a manifest: without secrets. */
      config: Type.Unknown(),
      /** What everything here brings. */
      ties: Type.Array(Tie),
      /** The names that lie directly in a root; of one with very many, none are told. */
      names: Type.Record(Type.String(), Type.Array(Type.String())),
    }),
  ),
  /** What an UNDO would take back; absent when there is nothing, or it cannot be taken back any more. */
  lastApply: Type.Optional(
    Strict({
      job: Id,
      /** Hash of the ORDER. */
      order: Hash,
      kind: Type.Enum(['restore', 'move', 'clone']),
      source: Id,
      /** When its gateway was ready, by this node's clock. */
      at: Millis,
    }),
  ),
  /** What this node is fenced under. */
  fence: Type.Optional(Strict({ job: Id, order: Hash, fenceEpoch: Count, target: Id })),
  /** What was asked for in a wish, and whether it is there; absent when nothing was. */
  has: Type.Optional(
    Strict({
      paths: Type.Array(Type.Tuple([Type.String(), Type.Boolean()])),
      commands: Type.Array(Type.Tuple([Type.String(), Type.Boolean()])),
      /** Whether something listens. */
      ports: Type.Array(Type.Tuple([Type.Integer(), Type.Boolean()])),
    }),
  ),
  /**
   * What is made anew inside of what a snapshot may bring, and the file that says what it is made for, with its content:
   * an apply that brings that very file carries it over. Absolute paths; absent when there is nothing.
   */
  remade: Type.Optional(
    Type.Array(
      Strict({ path: Type.String(), by: Type.String(), sha256: Type.Optional(Bytes(32)) }),
    ),
  ),
  /** Absent when there are none, or from an older agent. */
  obstacles: Type.Optional(Type.Array(Type.Enum([...OBSTACLES]))),
  /** How a copy can be tried here: with or without a network of its own. Absent: this agent cannot try one. */
  trial: Type.Optional(Strict({ isolated: Type.Boolean() })),
})
export type TargetFacts = Static<typeof TargetFacts>

/** Signed by the target. Asking again makes a new nonce and a new job key; orders on the old ones are refused. */
export const Description = Strict({
  v: Type.Literal(1),
  node: Id,
  nonce: Bytes(32),
  /** X25519, in the agent's memory only. */
  jobKey: Bytes(32),
  facts: Bytes(),
})
export type Description = Static<typeof Description>

export const sealFacts = (
  p: Primitives,
  sealing: Uint8Array,
  about: Pick<Description, 'node' | 'nonce' | 'jobKey'>,
  facts: TargetFacts,
): Uint8Array => sealTo(p, [sealing], 'description', descriptionContext(about), toCbor(facts))

export const openFacts = (p: Primitives, sealing: KeyPair, description: Description): TargetFacts =>
  decodeAs(
    TargetFacts,
    openSealed(p, sealing, 'description', descriptionContext(description), description.facts),
    'description',
  )

const descriptionContext = (d: Pick<Description, 'node' | 'nonce' | 'jobKey'>) => ({
  node: d.node,
  nonce: d.nonce,
  jobKey: d.jobKey,
})

/** Keys of packs, sealed to a job key. `root` is the ManifestRoot's CBOR. */
export const Grant = Strict({
  packs: Type.Array(Type.Tuple([Bytes(32), Bytes(32)])),
  root: Bytes(),
  /** See fleet.ts: for a node that joined before there was one. */
  fleet: Type.Optional(Bytes(32)),
})
export type Grant = Static<typeof Grant>

interface GrantContext {
  readonly job: string
  readonly target: string
  readonly snapshot: string
}
const grantContext = ({ job, target, snapshot }: GrantContext) => ({ job, target, snapshot })

export const sealGrant = (
  p: Primitives,
  jobKey: Uint8Array,
  context: GrantContext,
  grant: Grant,
): Uint8Array => sealTo(p, [jobKey], 'grant', grantContext(context), toCbor(grant))

export const openGrant = (
  p: Primitives,
  jobKey: KeyPair,
  context: GrantContext,
  sealed: Uint8Array,
): Grant => decodeAs(Grant, openSealed(p, jobKey, 'grant', grantContext(context), sealed), 'grant')

/** @param jobKey the target's */
export const sealChoices = (
  p: Primitives,
  jobKey: Uint8Array,
  context: GrantContext,
  choices: Choices,
): Uint8Array => sealTo(p, [jobKey], 'choices', grantContext(context), toCbor(choices))

/** @throws OcmError 'seal-broken', 'malformed' */
export const openChoices = (
  p: Primitives,
  jobKey: KeyPair,
  context: GrantContext,
  sealed: Uint8Array,
): Choices =>
  decodeAs(Choices, openSealed(p, jobKey, 'choices', grantContext(context), sealed), 'choices')

export const Order = Strict({
  v: Type.Literal(1),
  vault: Id,
  /** The operator who signs; the key is looked up in the vault record. */
  operator: Id,
  /** The oldest vault record a node may judge this by. */
  minRecord: Count,
  job: Id,
  kind: Type.Enum(['restore', 'move', 'clone']),
  /** The node whose snapshot it is; for a move it is fenced under this order. */
  source: Id,
  target: Id,
  /** The base snapshot. */
  snapshot: Hash,
  /** The target's nonce and job key from its newest description. */
  nonce: Bytes(32),
  jobKey: Bytes(32),
  /** The operator's Choices, sealed to the job key: they name the target's directories. */
  choices: Bytes(),
  /** Hash of the plan that was approved. */
  plan: Hash,
  /** Rises with each move of the source, by what is known of those before it: a clock may be wrong. */
  fenceEpoch: Count,
  /** Pack keys of the base snapshot, sealed to the job key. */
  grant: Bytes(),
  /**
   * Of a move: the operator attests that the source is off. The target speaks without FENCED, and the source fences
   * itself under this order when it comes back.
   */
  unfenced: Type.Optional(Type.Literal(true)),
  /** By the operator's clock, for people only. */
  at: Millis,
})
export type Order = Static<typeof Order>

/** The source has stopped, cannot start again, and this is the last thing it captured. */
export const Fenced = Strict({
  v: Type.Literal(1),
  /** Hash of the ORDER statement. */
  order: Hash,
  node: Id,
  fenceEpoch: Count,
  /** The final snapshot, committed to the hub; of an unfenced move whose source could not capture any more, the base. */
  snapshot: Hash,
  /** Its grant, sealed to the target's job key: keys of the packs that the base snapshot does not have. */
  grant: Bytes(),
})
export type Fenced = Static<typeof Fenced>

/** The target goes on in the source's place. */
export const Speak = Strict({
  v: Type.Literal(1),
  order: Hash,
  fenced: Type.Union([Hash, Type.Null()]),
  node: Id,
})
export type Speak = Static<typeof Speak>

/** The target is as it was; the source may run again. */
export const Abort = Strict({
  v: Type.Literal(1),
  order: Hash,
  fenced: Type.Union([Hash, Type.Null()]),
  node: Id,
  why: Type.String(),
})
export type Abort = Static<typeof Abort>

/**
 * An operator takes the newest apply of a node back. Of a move the target answers it with an ABORT under the ORDER: it
 * has stopped, and the source may run again.
 */
export const Undo = Strict({
  v: Type.Literal(1),
  vault: Id,
  operator: Id,
  minRecord: Count,
  job: Id,
  node: Id,
  /** Hash of the ORDER that is taken back. */
  undoes: Hash,
  /** The node's, from its newest description; so it is used once. */
  nonce: Bytes(32),
  /** By the operator's clock, for people only. */
  at: Millis,
})
export type Undo = Static<typeof Undo>

/**
 * An operator attests that the target of a move is off for good and will never give its word: the source, which is
 * fenced under that very order and epoch, may run again.
 */
export const TargetOff = Strict({
  v: Type.Literal(1),
  vault: Id,
  operator: Id,
  minRecord: Count,
  job: Id,
  /** The source. */
  node: Id,
  target: Id,
  /** Hash of the ORDER it is fenced under, and that order's fence epoch. */
  order: Hash,
  fenceEpoch: Count,
  nonce: Bytes(32),
  at: Millis,
})
export type TargetOff = Static<typeof TargetOff>
