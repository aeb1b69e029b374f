/**
 * Every body of the HTTP API and every live event. One constant is check, type and OpenAPI. Byte strings are base64url text.
 *
 *     GET  /api/setup                 SetupState      POST /api/setup          SetupRequest → Me, sets the session cookie
 *     POST /api/login                 LoginRequest → Me, sets the session cookie
 *     POST /api/logout                {}              GET  /api/me             Me
 *     GET  /api/tokens                [{ id, label, createdAt }]
 *     POST /api/tokens                TokenRequest → TokenIssued               DELETE /api/tokens/:id
 *     GET  /api/vault                 VaultState      PUT  /api/vault/record   PutRecord → {}
 *     PUT  /api/vault                 PutVault → {}   slots, record and epoch together, signed by the vault's root
 *     GET  /api/tickets               [TicketState]   POST /api/tickets        TicketRequest → TicketState
 *     GET  /api/nodes                 [NodeState]     GET  /api/nodes/:id      NodeState
 *     PATCH /api/nodes/:id            { label } → NodeState                    POST /api/nodes/:id/retire  {} → NodeState
 *     POST /api/nodes/:id/describe    DescribeRequest → DescribeAnswer        PUT  /api/nodes/:id/schedule  SetSchedule → NodeState
 *     GET  /api/nodes/:id/last-fence  LastFence
 *     GET  /api/snapshots?node=&pruned=  [SnapshotState], newest first; pruned ones too with `pruned=true`
 *     GET  /api/snapshots/:id         SnapshotState   GET  /api/snapshots/:id/header  HeaderState
 *     GET  /api/snapshots/:id/damage  [PackDamage]: which of its packs are damaged or missing
 *     POST /api/snapshots/:id/pin     {} → SnapshotState                       POST /api/snapshots/:id/unpin  {} → SnapshotState
 *     POST /api/snapshots/:id/undo    {} → SnapshotState: takes its prune back
 *     GET  /api/retention             RetentionState
 *     PUT  /api/retention/policy      SetPolicy → RetentionState               PUT  /api/retention/lock   SetLock → RetentionState
 *     POST /api/retention/resume      {} → RetentionState: the clock is right, go on
 *     GET  /api/prune?node=           PrunePreview    POST /api/prune          PruneRequest → PruneResult
 *     GET  /api/scrub                 ScrubState      POST /api/scrub          {} → ScrubState, starts a full one
 *     POST /api/snapshots/:id/verified  {} → {}: an operator has read all of it and found it whole
 *     POST /api/packs/headers         PackHeadersRequest → PackHeaders
 *     GET  /api/packs/:id             the pack's bytes, honours Range
 *     GET  /api/jobs?node=            [Job], newest first                      POST /api/jobs              JobRequest → Job
 *     GET  /api/jobs/:id              Job             POST /api/jobs/:id/cancel  {} → Job
 *     GET  /api/jobs/:id/log          JobLog          GET  /api/audit          [AuditEntry], newest first
 *     …    /api/ssh/leases, /api/nodes/:id/ssh      see ssh/leases.ts
 *     GET  /api/agent-release       ReleaseState or null                      PUT  /api/agent-release     SetRelease → ReleaseState
 *     DELETE /api/agent-release     → {}: offers it no more                     GET  /api/install           InstallState
 *     GET  /api/live                  WebSocket: one LiveEvent as JSON per message
 *
 * A bearer token (`Authorization: Bearer …`) goes wherever the session cookie goes. A state-changing request with a
 * cookie must come from the hub's own origin.
 */
import { type Static, Type } from 'typebox'
import { FingerprintKind } from './fleet.ts'
import { Hash, Id } from './ids.ts'
import { Job, JobKind } from './job.ts'
import { B64 } from './messages.ts'
import { RetentionLock, RetentionPolicy, RetentionVerdict } from './retention.ts'
import { NodeSchedule } from './schedule.ts'
import { Metrics, Trigger } from './snapshot.ts'
import { Count, Millis, Strict } from './shapes.ts'
import { SshLease } from './ssh/leases.ts'

const Name = Type.String({ minLength: 1, maxLength: 64 })
const Password = Type.String({ minLength: 10, maxLength: 256 })

export const ApiError = Strict({
  code: Type.String(),
  message: Type.String(),
  facts: Type.Record(Type.String(), Type.Unknown()),
  next: Type.String(),
  /** The dashboard's page about this code, below the hub's address. */
  help: Type.Optional(Type.String()),
  requestId: Type.String(),
})
export type ApiError = Static<typeof ApiError>

/** A slot as JSON; `B64` where the CBOR has bytes. */
export const SlotJson = Strict({
  kind: Type.Enum(['passphrase', 'recovery', 'handover']),
  operator: Type.Union([Id, Type.Null()]),
  /** CBOR of the Slot, base64url: the hub stores it as it is. */
  slot: B64,
})
export type SlotJson = Static<typeof SlotJson>

/** GET /api/setup */
export const SetupState = Strict({
  open: Type.Boolean(),
  /** The hub's Ed25519 public key, for the vault record and join strings. */
  hubKey: B64,
  version: Type.String(),
  /** The hub serves a certificate that no authority vouches for: its SHA-256, for join strings. */
  certificate: Type.Optional(B64),
  /** It was told to listen beyond this machine without TLS. */
  insecure: Type.Optional(Type.Literal(true)),
})
export type SetupState = Static<typeof SetupState>

/** POST /api/setup: everything at once or nothing. */
export const SetupRequest = Strict({
  secret: Type.String({ minLength: 16, maxLength: 128 }),
  name: Name,
  password: Password,
  record: B64,
  /** The vault root's public key, as the client made it; fixes which vault this hub serves. */
  root: B64,
  slots: Type.Array(SlotJson, { minItems: 2, maxItems: 2 }),
})
export type SetupRequest = Static<typeof SetupRequest>

/** POST /api/login */
export const LoginRequest = Strict({ name: Name, password: Type.String({ maxLength: 256 }) })
export type LoginRequest = Static<typeof LoginRequest>

/** GET /api/me, answer of login and setup */
export const Me = Strict({ name: Type.String(), operator: Id })
export type Me = Static<typeof Me>

/** POST /api/tokens: an API token for `ocm`, shown once. GET lists without the secret. */
export const TokenRequest = Strict({ label: Name })
export const TokenIssued = Strict({ id: Id, token: Type.String() })
export type TokenIssued = Static<typeof TokenIssued>

/** GET /api/vault */
export const VaultState = Strict({
  root: B64,
  record: B64,
  slots: Type.Array(SlotJson),
  /** Of each epoch that ended, its statement (see `openEpochs`). */
  epochs: Type.Array(Strict({ epoch: Count, statement: B64 })),
  hubKey: B64,
})
export type VaultState = Static<typeof VaultState>

/** PUT /api/vault: the signed VaultChange. */
export const PutVault = Strict({ change: B64 })

/** PUT /api/vault/record: serial must be exactly one more, epoch and sealing key the same. */
export const PutRecord = Strict({ record: B64 })

/** POST /api/tickets */
export const TicketRequest = Strict({ statement: B64 })
export const TicketState = Strict({
  id: Id,
  label: Type.String(),
  expiresAt: Millis,
  state: Type.Enum(['open', 'used', 'expired']),
  node: Type.Union([Id, Type.Null()]),
})
export type TicketState = Static<typeof TicketState>

/** GET /api/install: SHA-256 of what the hub serves at /install-agent.sh and /install/ocm-agent.mjs; null where it has none. */
export const InstallState = Strict({
  installer: Type.Union([Hash, Type.Null()]),
  agent: Type.Union([Hash, Type.Null()]),
})
export type InstallState = Static<typeof InstallState>

/** PUT /api/agent-release: the release's file. DELETE: offer it no more. */
export const SetRelease = Strict({ release: B64 })
/** GET /api/agent-release: what is offered to nodes, and how far it has come; null when nothing is. */
export const ReleaseState = Strict({
  serial: Count,
  version: Type.String(),
  offeredAt: Millis,
  /** First one node, then one in ten, then all; the first that goes back stops it. */
  state: Type.Enum(['rolling', 'stopped']),
  done: Type.Array(Id),
  /** The node that went back, or that was not seen again. */
  failed: Type.Union([Id, Type.Null()]),
})
export type ReleaseState = Static<typeof ReleaseState>
export const MaybeRelease = Type.Union([ReleaseState, Type.Null()])

export const NodeState = Strict({
  id: Id,
  /** Chosen by an operator. */
  label: Type.String(),
  key: B64,
  /** Listed in the vault record. */
  confirmed: Type.Boolean(),
  state: Type.Enum(['active', 'quarantined', 'revoked']),
  online: Type.Boolean(),
  lastSeenAt: Type.Union([Millis, Type.Null()]),
  enrolledAt: Millis,
  agentVersion: Type.String(),
  /** Of the release that is offered, where its agent takes updates. */
  update: Type.Optional(Type.Enum(['waiting', 'asked', 'failed'])),
  /** This node was the source of a finished move: where it went. */
  movedTo: Type.Union([Id, Type.Null()]),
  lastSnapshot: Type.Union([Strict({ id: Hash, receivedAt: Millis, bytes: Count }), Type.Null()]),
  /** The job at work on it. */
  job: Type.Union([Id, Type.Null()]),
  /**
   * Of both nodes of an unfenced move, 'owed': the target speaks or may speak, and the source is not fenced yet. Of a source,
   * 'held': it is fenced under a move that has ended without the target's word, or has still to hear it, and nobody speaks.
   */
  fence: Type.Optional(Strict({ job: Id, state: Type.Enum(['owed', 'held']) })),
  /** Other active nodes whose newest snapshot shows the same identity: two that speak as one. Absent: none. */
  twins: Type.Optional(Type.Array(Strict({ node: Id, kinds: Type.Array(FingerprintKind) }))),
  /** Whether its newest snapshot says which identities it has; false before the first, and without a fleet key. */
  checked: Type.Optional(Type.Boolean()),
  /** When the hub backs it up by itself. Absent: only when somebody asks for it. */
  schedule: Type.Optional(NodeSchedule),
  /** 'ssh': it has no agent of its own and is there for the length of a lease. Absent: 'agent'. */
  reach: Type.Optional(Type.Enum(['agent', 'ssh'])),
  /** For the operator's own check (see proveNode); empty when enrolled without a ticket. */
  proof: Strict({ ticket: B64, enrolment: B64 }),
})
export type NodeState = Static<typeof NodeState>

export const SnapshotState = Strict({
  id: Hash,
  node: Id,
  seq: Count,
  trigger: Trigger,
  startedAt: Millis,
  finishedAt: Millis,
  /** By the hub's clock. */
  receivedAt: Millis,
  openclaw: Type.String(),
  metrics: Metrics,
  storedBytes: Count,
  /** No policy removes it. */
  pinned: Type.Boolean(),
  /** Since when it is pruned; it can be taken back until it is collected. */
  prunedAt: Type.Union([Millis, Type.Null()]),
  /** How many of its packs are damaged or missing in the store; see GET /api/snapshots/:id/damage. */
  damaged: Count,
  /** When an operator last read all of it with the keys and found it whole, by the hub's clock. */
  verifiedAt: Type.Optional(Type.Union([Millis, Type.Null()])),
})
export type SnapshotState = Static<typeof SnapshotState>

/** GET /api/snapshots/:id/header */
export const HeaderState = Strict({ header: B64, nodeKey: B64 })
export type HeaderState = Static<typeof HeaderState>

/** POST /api/packs/headers: the first bytes of packs, in the order asked for. */
export const PackHeadersRequest = Strict({ ids: Type.Array(Hash, { maxItems: 5000 }) })
export const PackHeaders = Strict({ headers: Type.Array(B64) })

/** POST /api/nodes/:id/describe. The wish is sealed to the node: what a plan asks of its target. */
export const DescribeRequest = Strict({ wish: Type.Optional(B64) })
export const DescribeAnswer = Strict({ description: B64 })

/** Of the moves of a node that the hub knows, the ORDER with the highest fence epoch; the next one has to be above it. */
export const LastFence = Strict({ order: Type.Union([B64, Type.Null()]) })
export type LastFence = Static<typeof LastFence>

/** POST /api/jobs */
export const JobRequest = Type.Union([
  Strict({ kind: Type.Literal('backup'), node: Id }),
  Strict({
    kind: Type.Enum(['restore', 'move', 'clone']),
    /** The signed order; its job id becomes this job's id. */
    order: B64,
  }),
  Strict({
    kind: Type.Enum(['undo', 'release']),
    /** The signed Undo or TargetOff. */
    order: B64,
  }),
])
export type JobRequest = Static<typeof JobRequest>

export const JobLog = Type.Array(Strict({ at: Millis, sealed: B64 }))
export type JobLog = Static<typeof JobLog>

export const AuditEntry = Strict({
  at: Millis,
  actor: Type.String(),
  action: Type.String(),
  subject: Type.String(),
})
export type AuditEntry = Static<typeof AuditEntry>

/** A stored pack that is not as it was put. The node's next backup stores again what was in it. */
export const PackDamage = Strict({
  pack: Hash,
  node: Id,
  kind: Type.Enum(['damaged', 'missing']),
  foundAt: Millis,
  bytes: Count,
})
export type PackDamage = Static<typeof PackDamage>

/** Which policy a node follows: its own, that of all, or, with null, none: nothing of it goes. */
export const NodePolicy = Strict({
  node: Id,
  policy: Type.Union([RetentionPolicy, Type.Null()]),
})

/** GET /api/retention */
export const RetentionState = Strict({
  /** Of every node without one of its own. Null: nothing goes. */
  policy: Type.Union([RetentionPolicy, Type.Null()]),
  /** Nodes with one of their own; null there keeps all of that node. */
  nodes: Type.Array(NodePolicy),
  lock: RetentionLock,
  /** How long a prune can be taken back, and how long a pack stays that nothing refers to. */
  graceHours: Count,
  /** The last prune that the hub did by itself. */
  ranAt: Type.Union([Millis, Type.Null()]),
  /**
   * The hub's clock is further ahead than a hub can have slept: nothing is pruned or deleted by itself until it is set
   * right or somebody says that it is.
   */
  held: Type.Union([Strict({ since: Millis, lastSeenAt: Millis }), Type.Null()]),
  /** The hub's clock. */
  now: Millis,
})
export type RetentionState = Static<typeof RetentionState>

/** PUT /api/retention/policy: `node` null is for all; `policy` 'inherit' makes a node follow that of all again. */
export const SetPolicy = Strict({
  node: Type.Union([Id, Type.Null()]),
  policy: Type.Union([RetentionPolicy, Type.Null(), Type.Literal('inherit')]),
})
export type SetPolicy = Static<typeof SetPolicy>

/** PUT /api/retention/lock: lowering any of it has to be said. */
export const SetLock = Strict({
  lock: RetentionLock,
  graceHours: Type.Integer({ minimum: 1, maximum: 24 * 3650 }),
  lower: Type.Boolean(),
})
export type SetLock = Static<typeof SetLock>

/** GET /api/prune: what would go, what stays and why. */
export const PrunePreview = Strict({
  nodes: Type.Array(
    Strict({
      node: Id,
      policy: Type.Union([RetentionPolicy, Type.Null()]),
      /** Newest first; one without reasons would go. */
      snapshots: Type.Array(RetentionVerdict),
      /** Of packs that only snapshots use which would go; they return when the grace is over. */
      bytes: Count,
    }),
  ),
  lock: RetentionLock,
  graceHours: Count,
})
export type PrunePreview = Static<typeof PrunePreview>

/** POST /api/prune: those of a preview that was looked at. One that has found a reason to stay meanwhile stays. */
export const PruneRequest = Strict({ snapshots: Type.Array(Hash, { maxItems: 100_000 }) })
export type PruneRequest = Static<typeof PruneRequest>

export const PruneResult = Strict({ pruned: Type.Array(Hash), kept: Type.Array(Hash) })
export type PruneResult = Static<typeof PruneResult>

/** GET /api/scrub */
export const ScrubState = Strict({
  /** A full one that somebody has started. */
  running: Type.Union([
    Strict({
      startedAt: Millis,
      /** It waits while a node is backed up or restored. */
      paused: Type.Boolean(),
      packs: Count,
      ofPacks: Count,
      bytes: Count,
      ofBytes: Count,
    }),
    Type.Null(),
  ]),
  /** The last full one. */
  endedAt: Type.Union([Millis, Type.Null()]),
  packs: Count,
  bytes: Count,
  /** No pack was checked longer ago than this; null without packs. */
  oldestCheckAt: Type.Union([Millis, Type.Null()]),
  damage: Type.Array(PackDamage),
  /** Snapshots that use one of them, those that are pruned left out. */
  snapshots: Type.Array(Strict({ snapshot: Hash, node: Id, receivedAt: Millis, damaged: Count })),
})
export type ScrubState = Static<typeof ScrubState>

/** What the live socket says; the client fetches what changed. */
export const LiveEvent = Type.Union([
  Strict({ kind: Type.Literal('node-changed'), node: Id }),
  Strict({ kind: Type.Literal('snapshot-created'), node: Id, snapshot: Hash }),
  /** Pruned, taken back, pinned, or found damaged or whole again. */
  Strict({ kind: Type.Literal('snapshots-changed'), node: Id }),
  /** What GET /api/retention or GET /api/scrub answers. */
  Strict({ kind: Type.Literal('keeping-changed') }),
  Strict({ kind: Type.Literal('job-changed'), job: Job }),
  Strict({ kind: Type.Literal('ticket-used'), ticket: Id, node: Id }),
  Strict({ kind: Type.Literal('lease-changed'), lease: SshLease }),
])
export type LiveEvent = Static<typeof LiveEvent>

export { Job, JobKind }
