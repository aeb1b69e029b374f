/** The few colours that mean something, and where each is used. */
import type { Job, NodeState, SnapshotState } from '@ocm/protocol'

/** `good`: as it should be. `care`: look at it. `bad`: failed. `busy`: at work. `calm`: neither. */
export type Tone = 'good' | 'care' | 'bad' | 'busy' | 'calm'

/** Nuxt UI's name of a tone's colour. */
export const COLOURS = {
  good: 'success',
  care: 'warning',
  bad: 'error',
  busy: 'primary',
  calm: 'neutral',
} as const satisfies Record<Tone, string>

export type Situation = 'online' | 'offline' | 'reachable' | 'quarantined' | 'revoked' | 'moved'

/** `reachable`: over ssh, by whoever lends what that takes. */
export function situationOf(
  node: Pick<NodeState, 'state' | 'online' | 'movedTo' | 'reach'>,
): Situation {
  if (node.state !== 'active') return node.state
  if (node.movedTo !== null) return 'moved'
  if (node.online) return 'online'
  return node.reach === 'ssh' ? 'reachable' : 'offline'
}

export const toneOfSituation = {
  online: 'good',
  offline: 'calm',
  reachable: 'calm',
  quarantined: 'bad',
  revoked: 'calm',
  moved: 'calm',
} as const satisfies Record<Situation, Tone>

/** Everything in a snapshot that may not be as it was on the node. One that has any of it is not green. */
export const doubtsOf = ({ metrics }: Pick<SnapshotState, 'metrics'>): number =>
  metrics.warnings + metrics.unstable + metrics.unreadable

export function toneOfSnapshot(snapshot: Pick<SnapshotState, 'metrics' | 'damaged'>): Tone {
  if (snapshot.damaged > 0) return 'bad'
  return doubtsOf(snapshot) > 0 ? 'care' : 'good'
}

/** A backup that left something out or caught it in motion is done, and not well. */
export const isWarned = ({ state, warnings }: Pick<Job, 'state' | 'warnings'>): boolean =>
  state === 'done' && (warnings ?? 0) > 0

export const toneOfJob = {
  queued: 'calm',
  waiting: 'care',
  running: 'busy',
  done: 'good',
  failed: 'bad',
  cancelled: 'calm',
} as const satisfies Record<Job['state'], Tone>
