/** What somebody wants to apply, and whether it can be begun. */
import type { Choices, NodeState } from '@ocm/protocol'
import { situationOf } from './tones.ts'

export const FLOW_KINDS = ['move', 'clone', 'restore'] as const
export type FlowKind = Choices['kind']

export interface FlowWish {
  readonly kind: FlowKind
  readonly source: string
  /** The source itself for a restore. */
  readonly target: string
  /** 'fresh': back the source up first. */
  readonly snapshot: string
  /** Of a move: the name of the source, typed to sign that it is off. */
  readonly off?: string
}

export type Hindrance =
  | 'no-source'
  | 'no-target'
  | 'same-node'
  | 'source-offline'
  | 'target-offline'
  | 'source-retired'
  | 'target-retired'
  | 'busy'
  | 'no-snapshot'

export const isFlowKind = (text: unknown): text is FlowKind =>
  FLOW_KINDS.some((kind) => kind === text)

/** The first thing that stands in the way, as far as the hub knows. */
export function hindranceOf(wish: FlowWish, nodes: readonly NodeState[]): Hindrance | undefined {
  const source = nodes.find(({ id }) => id === wish.source)
  const target = nodes.find(({ id }) => id === wish.target)
  if (source === undefined) return 'no-source'
  if (target === undefined) return 'no-target'
  if (wish.kind !== 'restore' && source.id === target.id) return 'same-node'
  if (source.state !== 'active') return 'source-retired'
  if (target.state !== 'active') return 'target-retired'
  if (!isThere(target)) return 'target-offline'
  const reachesSource = wish.kind === 'move' || wish.snapshot === 'fresh'
  if (reachesSource && !isThere(source) && !isAttested(wish, nodes)) return 'source-offline'
  if (source.job !== null || target.job !== null) return 'busy'
  if (wish.snapshot === '') return 'no-snapshot'
  return undefined
}

/** Connected, or reached over ssh as soon as somebody lends what that takes. */
export const isThere = (node: Pick<NodeState, 'online' | 'reach'> | undefined): boolean =>
  node !== undefined && (node.online || node.reach === 'ssh')

/** Whether somebody signs that the source is off: then a move goes on from its last snapshot. */
export function isAttested(wish: FlowWish, nodes: readonly NodeState[]): boolean {
  const source = nodes.find(({ id }) => id === wish.source)
  const isMove = wish.kind === 'move' && wish.snapshot !== 'fresh'
  return isMove && source !== undefined && !isThere(source) && wish.off?.trim() === source.label
}

/** Nodes that something can be applied to or taken from, as a list to choose from. */
export const selectable = (nodes: readonly NodeState[]) =>
  nodes
    .filter(({ state }) => state === 'active')
    .toSorted((a, b) => a.label.localeCompare(b.label, undefined, { numeric: true }))
    .map((node) => ({ id: node.id, label: node.label, situation: situationOf(node) }))

/** Roots that may be sent elsewhere; home and state are where the target has them. */
export const isPlaceable = (root: string): boolean => root !== 'home' && root !== 'state'
