/** What the closed list of numbers says about a snapshot, and about the one before it. */
import type { SnapshotState } from '@ocm/protocol'

type Metrics = SnapshotState['metrics']

/** Kinds of things that people know by name and would miss, in the order they are told. */
export const KINDS = [
  'personas',
  'cronJobs',
  'authProfiles',
  'channels',
  'pairings',
  'plugins',
  'skills',
  'sessions',
  'files',
] as const satisfies readonly (keyof Metrics)[]
export type Kind = (typeof KINDS)[number]

export interface Change {
  readonly kind: Kind
  readonly by: number
  /** Fewer of something that does not come and go by itself. */
  readonly lost: boolean
}

/** These come and go in everyday work. */
const FLEETING: readonly Kind[] = ['files', 'sessions']

export const changesSince = (
  before: Pick<SnapshotState, 'metrics'>,
  now: Pick<SnapshotState, 'metrics'>,
): readonly Change[] =>
  KINDS.flatMap((kind) => {
    const by = now.metrics[kind] - before.metrics[kind]
    return by === 0 ? [] : [{ kind, by, lost: by < 0 && !FLEETING.includes(kind) }]
  })

export const DOUBTS = [
  'warnings',
  'unreadable',
  'unstable',
] as const satisfies readonly (keyof Metrics)[]

/** Each snapshot with the one before it of the same list, which is of one node and newest first. */
export const withBefore = (
  snapshots: readonly SnapshotState[],
): readonly { readonly snapshot: SnapshotState; readonly before: SnapshotState | undefined }[] =>
  snapshots.map((snapshot, n) => ({ snapshot, before: snapshots[n + 1] }))
