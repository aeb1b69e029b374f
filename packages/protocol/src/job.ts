/** A job: one run of backup, restore, move, clone, undo or release, made of named steps. It survives restarts of hub and agent. */
import { type Static, Type } from 'typebox'
import { Hash, Id } from './ids.ts'
import { Count, Millis, Strict } from './shapes.ts'

export const JobKind = Type.Enum(['backup', 'restore', 'move', 'clone', 'undo', 'release'])
export type JobKind = Static<typeof JobKind>

/** `waiting`: for a node that is not connected, or for its turn on one. The last three are final. */
export const JobState = Type.Enum(['queued', 'running', 'waiting', 'done', 'failed', 'cancelled'])
export type JobState = Static<typeof JobState>

export const isFinal = (state: JobState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled'

/** The steps of each kind in order; a step's name is shown to people through translation keys. */
export const STEPS = {
  backup: ['capture'],
  restore: ['stage', 'activate'],
  clone: ['stage', 'trial', 'activate'],
  move: ['stage', 'trial', 'fence', 'activate'],
  undo: ['undo'],
  release: ['release'],
} as const satisfies Record<JobKind, readonly string[]>

export const JobStep = Strict({
  name: Type.String(),
  state: Type.Enum(['pending', 'running', 'done', 'failed', 'skipped']),
  startedAt: Type.Union([Millis, Type.Null()]),
  endedAt: Type.Union([Millis, Type.Null()]),
  /** Finer position inside the step, from the closed list PHASES. */
  phase: Type.String(),
  /** In bytes or items, as `unit` says; total 0 when unknown. */
  progress: Strict({ done: Count, total: Count, unit: Type.Enum(['bytes', 'items']) }),
})
export type JobStep = Static<typeof JobStep>

/** What an agent may report as its position. A closed list: no text from the node reaches the hub. */
export const PHASES = [
  'starting',
  'scanning',
  'databases',
  'files',
  'manifest',
  'committing',
  'checking',
  'fetching',
  'writing',
  'rewriting',
  'validating',
  'sealing',
  'copying',
  'trying',
  'stopping',
  'fencing',
  'swapping',
  'speaking',
  'launching',
  'comparing',
  'rolling-back',
  'finished',
] as const

export const Job = Strict({
  id: Id,
  kind: JobKind,
  state: JobState,
  /** The node that is backed up or applied to. */
  node: Id,
  source: Type.Union([Id, Type.Null()]),
  /** The base snapshot of an apply; the result of a backup. */
  snapshot: Type.Union([Hash, Type.Null()]),
  steps: Type.Array(JobStep),
  error: Type.Union([
    Strict({ code: Type.String(), facts: Type.Record(Type.String(), Type.Unknown()) }),
    Type.Null(),
  ]),
  createdAt: Millis,
  startedAt: Type.Union([Millis, Type.Null()]),
  endedAt: Type.Union([Millis, Type.Null()]),
  createdBy: Type.String(),
  /** How long no gateway spoke, for a move that has ended. */
  downtimeMs: Type.Union([Count, Type.Null()]),
  /** After an apply: what OpenClaw lists equals what it listed at capture; null when it could not be compared. */
  inventoryEqual: Type.Union([Type.Boolean(), Type.Null()]),
  /**
   * Of a backup that is done: warnings, unreadable and unstable entries of its snapshot; of an apply: files that were
   * left out because they cannot be read. With more than none it is done with warnings, not well. Absent before.
   */
  warnings: Type.Optional(Count),
  /**
   * Of a move whose order attests that the source is off. 'owed': the target speaks or may speak, and the source has still
   * to be fenced when it comes back; 'fenced': it has been. Of the undo of such a move, and of one that has failed, 'owed':
   * the source has still to hear that it may run.
   */
  unfenced: Type.Optional(Type.Enum(['attested', 'owed', 'fenced'])),
  /** While it waits: its nodes that are reached by ssh and for which a credential has to be lent. */
  asks: Type.Optional(Type.Array(Id)),
  /** Of an undo: the job that it takes back. Of a release: the move under which its node was fenced. */
  undoes: Type.Optional(Id),
})
export type Job = Static<typeof Job>

/** The nodes that a job is at work on. */
export const nodesOf = ({ kind, node, source }: Job): readonly string[] =>
  (kind === 'move' || kind === 'undo') && source !== null ? [node, source] : [node]
