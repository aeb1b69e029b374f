/**
 * Leases over HTTP: a credential on loan, to which node and job, for how long.
 *
 *     POST   /api/ssh/leases            SshLeaseRequest → SshLeaseIssued: a borrower process is there, this is its key
 *     POST   /api/ssh/leases/:id/lend   SshLend → SshLease: what was sealed to it (sealLent); it dials at once
 *     GET    /api/ssh/leases            [SshLease], newest first: those that last, and those that ended in the last hour
 *     DELETE /api/ssh/leases/:id        SshLease: released; the credential is zeroed and the borrower has ended
 *     GET    /api/nodes/:id/ssh         SshNode
 *     PUT    /api/nodes/:id/ssh         SshNodePut → SshNode; the node is reached by ssh from then on
 *     DELETE /api/nodes/:id/ssh         {}: it is reached by its own agent
 *     POST   /api/nodes/:id/settle      SettleRequest → SettleAnswer: its agent installs itself, and dials from then on
 *     POST   /api/nodes/:id/forget      {} → ForgetAnswer: what the agent has there is removed
 *
 * A change of a lease is the live event `lease-changed`.
 */
import { type Static, Type } from 'typebox'
import { Id } from '../ids.ts'
import { B64 } from '../messages.ts'
import { Count, Millis, Strict } from '../shapes.ts'

/** No credential is held longer. A connection that is up goes on with its job. */
export const LEASE_MS = 15 * 60_000

/** `look`: which keys a host shows, without trying to log in. */
export const SshPurpose = Type.Enum(['look', 'work'])

export const SshLeaseRequest = Strict({
  /** Null for a host that is no node yet: the loan then holds a join string, or it is a look. */
  node: Type.Union([Id, Type.Null()]),
  purpose: SshPurpose,
})
export type SshLeaseRequest = Static<typeof SshLeaseRequest>

export const SshLeaseIssued = Strict({
  lease: Id,
  /** X25519, of this borrower alone. */
  key: B64,
  until: Millis,
})
export type SshLeaseIssued = Static<typeof SshLeaseIssued>

/** A private key of 16 KiB, a certificate, passphrases. */
export const SshLend = Strict({
  sealed: Type.String({ pattern: '^[A-Za-z0-9_-]*$', maxLength: 131_072 }),
})

export const SshLease = Strict({
  id: Id,
  node: Type.Union([Id, Type.Null()]),
  /** The job at work on that node now. */
  job: Type.Union([Id, Type.Null()]),
  purpose: SshPurpose,
  /** `asked`: the borrower waits for the loan. The last two are final. */
  state: Type.Enum(['asked', 'dialling', 'connected', 'released', 'failed']),
  /** Whether the borrower has the credential at this moment; a connection may outlast it. */
  held: Type.Boolean(),
  /** Lent by somebody, or taken from the delegation of a node. */
  origin: Type.Enum(['lent', 'delegated']),
  /** Who asked for it. */
  by: Type.String(),
  since: Millis,
  until: Millis,
  endedAt: Type.Union([Millis, Type.Null()]),
  problem: Type.Union([
    Strict({ code: Type.String(), facts: Type.Record(Type.String(), Type.Unknown()) }),
    Type.Null(),
  ]),
  /** What a look found, as `hostKeys` of a connection; see hostKeyFingerprint. */
  hostKeys: Type.Array(Type.String()),
})
export type SshLease = Static<typeof SshLease>

/** GET /api/nodes/:id/ssh. Statements of connection.ts, which the hub cannot open. */
export const SshNode = Strict({
  /** Null for a node that joined over ssh and whose connection nobody has stored yet. */
  connection: Type.Union([B64, Type.Null()]),
  credential: Type.Union([B64, Type.Null()]),
  /** A credential that the hub can open by itself, for schedules; since when, and who gave it. */
  delegation: Type.Union([Strict({ since: Millis, by: Type.String() }), Type.Null()]),
  /** X25519: what sealDelegation seals to. */
  delegateTo: B64,
})
export type SshNode = Static<typeof SshNode>

/** PUT /api/nodes/:id/ssh. What is left out stays; null takes it away. */
export const SshNodePut = Strict({
  connection: Type.Optional(B64),
  credential: Type.Optional(Type.Union([B64, Type.Null()])),
  delegation: Type.Optional(Type.Union([B64, Type.Null()])),
})
export type SshNodePut = Static<typeof SshNodePut>

/** POST /api/nodes/:id/settle. Of a node that is connected over ssh; where it reaches the hub. */
export const SettleRequest = Strict({
  urls: Type.Array(Type.String({ pattern: '^https?://', maxLength: 512 }), {
    minItems: 1,
    maxItems: 8,
  }),
})
export const SettleAnswer = Strict({
  /** Its agent also runs while nobody is logged in there. */
  lingers: Type.Boolean(),
})
export type SettleAnswer = Static<typeof SettleAnswer>

/** POST /api/nodes/:id/forget, and what the agent answers. */
export const ForgetAnswer = Strict({
  /**
   * What was put aside and stays: the state directory of a node that was moved away, because only its target knows whether
   * it is needed, and what somebody had put in the way of an apply.
   */
  kept: Count,
})
export type ForgetAnswer = Static<typeof ForgetAnswer>
