/**
 * Everything a hub and an agent ask of each other. A request may carry a body (a stream of bytes) up and its answer a
 * body down. Byte strings in these JSON shapes are base64url text. The hub refuses fields it does not know, agents
 * ignore them.
 */
import { type Static, Type } from 'typebox'
import { Hash, Id } from './ids.ts'
import { PHASES } from './job.ts'
import { PackClass } from './manifest.ts'
import { Trigger } from './snapshot.ts'
import { Count, Strict } from './shapes.ts'

/** base64url text of a byte string. */
export const B64 = Type.String({ pattern: '^[A-Za-z0-9_-]*$' })

const message = <P extends ReturnType<typeof Strict>, R extends ReturnType<typeof Strict>>(
  params: P,
  result: R,
) => ({ params, result })

const Empty = Strict({})

/** The hub asks, the agent does. Requests with a job are idempotent by it: asked again, they go on or answer as before. */
export const TO_AGENT = {
  /**
   * A fresh nonce and job key, facts sealed to the vault. `wish`: what a plan asks, sealed to the job key of the
   * description before.
   */
  describe: message(
    Strict({ record: B64, wish: Type.Optional(B64) }),
    Strict({ description: B64 }),
  ),
  capture: message(Strict({ job: Id, trigger: Trigger, record: B64 }), Strict({ snapshot: Hash })),
  /**
   * First half of an apply: verify order and grant, derive the plan, fetch, write beside the live state, rewrite,
   * validate. Nothing live is touched. `header` is the base snapshot's statement. `lost`: files that were left out
   * because they cannot be read, which an operator had chosen.
   */
  stage: message(
    Strict({ job: Id, order: B64, record: B64, header: B64, source: B64 }),
    Strict({ bytes: Count, lost: Type.Optional(Count) }),
  ),
  /**
   * Between the two halves of a move or a clone: this machine's OpenClaw is started on a throw-away copy of what is
   * staged, without channels, cron jobs and, if it can be had (`isolated`), any network; whatever it made is gone when
   * this answers. A job that is not `ready` has ended as if it had been discarded. `skipped`: the order is without it.
   */
  trial: message(
    Strict({ job: Id }),
    Strict({
      ready: Type.Boolean(),
      /** What OpenClaw lists on the copy equals what it listed at capture; null when it could not be compared. */
      inventoryEqual: Type.Union([Type.Boolean(), Type.Null()]),
      isolated: Type.Boolean(),
      skipped: Type.Optional(Type.Literal(true)),
    }),
  ),
  /** To the source of a move: stop, capture what changed, fence. Answers the FENCED statement. */
  fence: message(Strict({ job: Id, order: B64, record: B64 }), Strict({ fenced: B64 })),
  /**
   * Second half: take in the delta (a move), swap, speak, start, compare. `outcome` is a SPEAK or ABORT statement.
   * `fenced`, `header` and `source` (the source's public key) are of the final snapshot of a move, else empty.
   */
  activate: message(
    Strict({ job: Id, fenced: B64, header: B64 }),
    Strict({
      outcome: B64,
      spoke: Type.Boolean(),
      /** Why it aborted, as an error code; '' when it spoke. */
      code: Type.String(),
      /** What OpenClaw lists afterwards equals what it listed at capture; null when it could not be compared. */
      inventoryEqual: Type.Union([Type.Boolean(), Type.Null()]),
      startedAt: Count,
    }),
  ),
  /** To the source of a move that was aborted: unfence and run again. */
  release: message(Strict({ job: Id, order: B64, abort: B64 }), Empty),
  /**
   * Take the newest apply back; `order` is an operator's Undo. Answers when the node is as it was before: of a move with
   * its ABORT, else with ''.
   */
  undo: message(Strict({ job: Id, order: B64, record: B64 }), Strict({ abort: B64 })),
  /** To a fenced source whose target is off for good; `order` is an operator's TargetOff. Unfence and run again. */
  letGo: message(Strict({ job: Id, order: B64, record: B64 }), Empty),
  /** Throw away what a job staged; answers when nothing of it is left. */
  discard: message(Strict({ job: Id }), Empty),
  /**
   * Take this release, when nothing is at work: `release` is its statement. Answers when it is on the disk and has said its
   * version; the agent is gone then, and comes back as the new one, or as what it was if that does not work.
   */
  update: message(Strict({ release: B64 }), Empty),
  /**
   * To an agent that is there for the length of one ssh session, and to no other: install yourself with a service that
   * dials the hub at `urls`, with the state directory that you have. `lingers`: it runs while nobody is logged in too.
   */
  settle: message(
    Strict({
      urls: Type.Array(Type.String({ maxLength: 512 }), { minItems: 1, maxItems: 8 }),
    }),
    Strict({ lingers: Type.Boolean() }),
  ),
  /** To the same: remove all that is there of you, and end. */
  forget: message(Empty, Strict({ kept: Count })),
} as const

/** The agent asks, the hub does. */
export const TO_HUB = {
  /** Which of these packs the hub does not hold. */
  'pack.missing': message(
    Strict({ ids: Type.Array(Hash, { maxItems: 10_000 }) }),
    Strict({ missing: Type.Array(Hash) }),
  ),
  /** With the pack's bytes as body; answered when they are durable. */
  'pack.put': message(Strict({ id: Hash, bytes: Count, class: PackClass }), Empty),
  /** Answers with `length` bytes from `offset` as body; only packs that a job of this node needs. */
  'pack.get': message(Strict({ job: Id, id: Hash, offset: Count, length: Count }), Empty),
  /**
   * Commit, the last act of a capture. When the hub lacks packs that the header names, `snapshot` is null, nothing was
   * committed, and `missing` lists them (the first 10,000): what was in them has to be stored again.
   */
  'snapshot.commit': message(
    Strict({ job: Id, header: B64 }),
    Strict({
      snapshot: Type.Union([Hash, Type.Null()]),
      missing: Type.Array(Hash, { maxItems: 10_000 }),
    }),
  ),
  /** With `length` bytes of the program of the release that is offered, from `offset`, as body. */
  'release.get': message(Strict({ serial: Count, offset: Count, length: Count }), Empty),
  /** The newest header the hub has of this node, to go on from; '' when there is none. */
  'snapshot.head': message(Empty, Strict({ header: B64 })),
} as const

/** Neither needs an answer. */
export const EVENTS = {
  'job.progress': Strict({
    job: Id,
    phase: Type.Enum([...PHASES]),
    done: Count,
    total: Count,
    unit: Type.Enum(['bytes', 'items']),
  }),
  /** Text for operators, sealed to the vault. */
  'job.log': Strict({ job: Id, sealed: B64 }),
} as const

export type ToAgent = {
  [M in keyof typeof TO_AGENT]: {
    params: Static<(typeof TO_AGENT)[M]['params']>
    result: Static<(typeof TO_AGENT)[M]['result']>
  }
}
export type ToHub = {
  [M in keyof typeof TO_HUB]: {
    params: Static<(typeof TO_HUB)[M]['params']>
    result: Static<(typeof TO_HUB)[M]['result']>
  }
}
export type LinkEvents = { [E in keyof typeof EVENTS]: Static<(typeof EVENTS)[E]> }

/** What an agent says of itself in the handshake, after the hub has proved who it is. */
export const Hello = Strict({
  min: Count,
  max: Count,
  capabilities: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 32 }),
  agentVersion: Type.String({ maxLength: 32 }),
  /** Random for each start of the agent's process: tells a half-open predecessor from a clone. */
  boot: Id,
  /** The number the hub gave at the last handshake; 0 at first. */
  seq: Count,
  /** Only when joining. `hostname` is sealed to the vault. */
  enrol: Type.Union([Strict({ ticket: Id, enrolment: B64 }), Type.Null()]),
})
export type Hello = Static<typeof Hello>

export const Welcome = Strict({
  node: Id,
  version: Count,
  /** To be on disk before the agent answers anything. */
  seq: Count,
  /** Heartbeat interval in milliseconds. */
  heartbeatMs: Count,
  /** The newest vault record. */
  record: B64,
})
export type Welcome = Static<typeof Welcome>

export const LINK_VERSION = { min: 1, max: 1 } as const
