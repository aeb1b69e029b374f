/** Who gets a release when: first one node, then one in ten, then all; the first that goes back stops it. */

/** A node whose agent takes updates, as it is known now. */
export interface Updatable {
  readonly id: string
  /** The release that it runs; undefined while it is away. */
  readonly serial: number | undefined
  /** The last release that it went back from. */
  readonly failed: number | undefined
  /** Connected, and no job is at work on it. */
  readonly idle: boolean
  /** What it runs has not proved itself yet. */
  readonly onTrial: boolean
  /** It is being asked, or has said yes and is still as it was. */
  readonly pending: boolean
}

export interface Rollout {
  readonly serial: number
  readonly offeredAt: number
  readonly done: readonly string[]
  /** When each was asked that has not come back yet. */
  readonly asked: Readonly<Record<string, number>>
  readonly failed: string | null
}

/** An agent comes back within its trial, as the one or the other; away for longer, it may be lost. */
export const LOST_MS = 10 * 60_000

/** What became of those that were asked. */
export function judged(rollout: Rollout, nodes: readonly Updatable[], now: number): Rollout {
  const { serial } = rollout
  const of = (id: string) => nodes.find((node) => node.id === id)
  const isDone = ({ serial: runs = 0, onTrial }: Updatable) => runs >= serial && !onTrial
  // Here as it was before, and nobody has asked it since: what it was told got lost, so it is asked again.
  const isAsBefore = (node: Updatable | undefined) =>
    node?.serial !== undefined && !node.onTrial && !node.pending
  const done = new Set([...rollout.done, ...nodes.filter(isDone).map(({ id }) => id)])
  const under = Object.entries(rollout.asked).filter(([id]) => !done.has(id))
  const failed =
    rollout.failed ??
    under.find(([id]) => wentBack(serial, of(id)))?.[0] ??
    under.find(([id, at]) => of(id)?.serial === undefined && now - at > LOST_MS)?.[0] ??
    null
  const asked = under.filter(([id]) => !isAsBefore(of(id)))
  return { ...rollout, done: [...done], asked: Object.fromEntries(asked), failed }
}

/** An agent takes nothing that is not newer than what it went back from. */
const wentBack = (serial: number, node: Updatable | undefined): boolean =>
  node?.failed !== undefined && node.failed >= serial

/** Whom to ask now. */
export function nextOf(rollout: Rollout, nodes: readonly Updatable[]): readonly string[] {
  if (rollout.failed !== null) return []
  const { serial: offered, done, asked } = rollout
  const under = Object.keys(asked).length
  const open = nodes.filter(
    (node) => !done.includes(node.id) && !(node.id in asked) && !wentBack(offered, node),
  )
  const total = done.length + under + open.length
  const allowed = allowedOf(done.length, total)
  return open
    .filter(({ idle, serial, onTrial }) => idle && serial !== undefined && !onTrial)
    .slice(0, Math.max(0, allowed - done.length - under))
    .map(({ id }) => id)
}

function allowedOf(done: number, total: number): number {
  if (done === 0) return 1
  const tenth = 1 + Math.ceil(total / 10)
  return done < tenth ? tenth : total
}
